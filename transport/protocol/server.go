package protocol

import (
	"encoding/base64"
	"errors"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// Cursor returns the cursor after a message, which is empty if the message has no
// position.
func Cursor(m *push.Message) string {
	return CursorAt(m.Topic, m.Position)
}

// CursorAt returns the cursor of a position in a topic; empty for the zero Position.
func CursorAt(topic string, p broker.Position) string {
	if p.IsZero() {
		return ""
	}
	return cursor.Format(topic, p)
}

// Message encodes a message, whose cursor is [Cursor]. The frame has the part of it that
// moves: a client was told the rest when it followed the topic.
func Message(m *push.Message, at string) []byte {
	return AppendMessage(make([]byte, 0, MessageSize(m)), m, at)
}

// AppendMessage appends what Message returns.
func AppendMessage(dst []byte, m *push.Message, at string) []byte {
	o := appendFrame(dst, TypeMessage).text("topic", m.Topic)
	if m.Named {
		o = o.text("id", m.ID)
	}
	o = o.optional("event", m.Event).optional("key", m.Key)
	if at != "" {
		o = o.name("at", at[cursor.Constant:])
	}
	o = o.data(m.Data, m.Encoding)
	if m.TellTime && !m.Time.IsZero() {
		o = o.integer("time", m.Time.UnixMilli())
	}
	return o.end()
}

// MessageSize is about how much AppendMessage appends, and rarely less.
func MessageSize(m *push.Message) int {
	size := messageFixed + len(m.Topic) + len(m.Event) + len(m.Key)
	if m.Named {
		size += len(`"id":"",`) + len(m.ID)
	}
	switch m.Encoding {
	case push.EncodingBinary:
		return size + len(`"encoding":"base64",`) + base64.StdEncoding.EncodedLen(len(m.Data))
	case push.EncodingJSON:
		return size + len(m.Data)
	default:
		return size + textSize(m.Data)
	}
}

// messageFixed is what is the same in most messages.
const messageFixed = len(`{"type":"message","topic":"","event":"","key":"","at":"AQIDBP________8P","data":"","time":1763715120123}`)

// Gap encodes a gap; cursor is the place after it.
func Gap(g broker.Gap, cursor string) []byte {
	o := appendFrame(make([]byte, 0, 256), TypeGap).text("topic", g.Topic).text("reason", string(g.Reason))
	if !g.Last.IsZero() {
		o = o.place("last", g.Last)
	}
	return o.place("now", g.Now).text("cursor", cursor).end()
}

// HTTPError encodes the body of an HTTP error.
func HTTPError(e *push.Error) []byte { return newObject().failure(e).end() }

// HTTPRefused encodes the body of an HTTP error about a request whose topics are all refused:
// the error, and what became of each topic.
func HTTPRefused(e *push.Error, answers []session.Followed) []byte {
	return newObject().failure(e).answers(answers).end()
}

// Error encodes an error about the connection.
func Error(e *push.Error) []byte { return newFrame(TypeError).failure(e).end() }

// RequestError encodes an error that answers the request with this id.
func RequestError(id uint64, e *push.Error) []byte {
	return newFrame(TypeError).number("id", id).failure(e).end()
}

// Welcome encodes the first frame of a connection, whose identity expires at a time; never if
// that is zero.
func Welcome(session string, heartbeat time.Duration, expires time.Time, answers []session.Followed) []byte {
	return appendFrame(make([]byte, 0, answersSize(answers)+len(session)), TypeWelcome).
		name("protocol", Subprotocol).
		text("session", session).
		integer("heartbeat", heartbeat.Milliseconds()).
		expires(expires).
		raw("features", features).
		answers(answers).
		end()
}

// Subscribed encodes the answer to a subscribe.
func Subscribed(id uint64, answers []session.Followed) []byte {
	return appendFrame(make([]byte, 0, answersSize(answers)), TypeSubscribed).number("id", id).answers(answers).end()
}

// Unsubscribed encodes the answer to an unsubscribe.
func Unsubscribed(id uint64, topics []string) []byte { return topicList(TypeUnsubscribed, id, topics) }

// topicList encodes a frame that names topics.
func topicList(frameType string, id uint64, topics []string) []byte {
	o := append(newFrame(frameType).number("id", id).field("topics"), '[')
	for i, topic := range topics {
		if i > 0 {
			o = append(o, ',')
		}
		o = appendText(o, topic)
	}
	return append(o, ']').end()
}

// Reply encodes the answer to a send; a reply of nothing has no data.
func Reply(id uint64, r push.Reply) []byte {
	return newFrame(TypeReply).number("id", id).reply(r).end()
}

// HTTPReply encodes the answer to a send by POST.
func HTTPReply(r push.Reply) []byte { return newObject().reply(r).end() }

// HTTPReceipt encodes the answer to a publish by POST to one topic.
func HTTPReceipt(r push.Receipt) []byte { return newObject().receipt(r).end() }

// HTTPPublished encodes the answer to a publish by POST to several topics.
func HTTPPublished(all []push.Published) []byte {
	o := append(newObject().field("results"), '[')
	for i, p := range all {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, '{').text("topic", p.Topic)
		if p.Err != nil {
			o = append(o.field("error"), '{').failure(push.AsError(p.Err)).end()
		} else {
			o = o.receipt(p.Receipt)
		}
		o = append(o, '}')
	}
	return append(o, ']').end()
}

// HTTPTicket encodes the answer to a request for a ticket.
func HTTPTicket(ticket string, lasts time.Duration) []byte {
	return newObject().text("ticket", ticket).integer("expires", int64(lasts/time.Second)).end()
}

// HTTPRefreshed encodes the answer to a request to refresh a session, whose identity
// expires at a time; never if that is zero.
func HTTPRefreshed(expires time.Time) []byte {
	return newObject().expires(expires).end()
}

// expires appends in how many whole seconds an identity expires, unless it never does.
func (o object) expires(at time.Time) object {
	if at.IsZero() {
		return o
	}
	return o.integer("expires", max(0, int64(time.Until(at)/time.Second)))
}

// Reconnect encodes the request to come back elsewhere after so many
// milliseconds.
func Reconnect(afterMS int) []byte {
	return newFrame(TypeReconnect).integer("after", int64(afterMS)).end()
}

// Ping and Pong encode the heartbeat and its answer.
func Ping() []byte { return []byte(`{"type":"ping"}`) }

// Pong encodes the answer to a client's ping.
func Pong() []byte { return []byte(`{"type":"pong"}`) }

// answers appends what became of each topic.
func (o object) answers(answers []session.Followed) object {
	o = append(o.field("topics"), '[')
	for i, a := range answers {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, '{').text("topic", a.Topic)
		if a.Err != nil {
			o = append(append(o.field("error"), '{').failure(a.Err), '}')
		} else {
			o = o.kind(a.Epoch).optional("from", string(a.From)).optional("cursor", a.Cursor)
		}
		o = append(o, '}')
	}
	return append(o, ']')
}

// kindState is the kind of a state topic; a log has none.
const kindState = "state"

// kind appends the kind of a topic, and the epoch of a state.
func (o object) kind(epoch broker.Epoch) object {
	if epoch == 0 {
		return o
	}
	return o.name("kind", kindState).name("epoch", epoch.String())
}

// answersSize is room for a frame of answers, if none is an error.
func answersSize(answers []session.Followed) int {
	size := len(`{"type":"welcome","protocol":"","session":"","heartbeat":9007199254740991,"expires":9007199254740991,"features":,"topics":[]}`) + len(Subprotocol) + len(features)
	for _, a := range answers {
		size += len(`{"topic":"","kind":"state","epoch":"0123456789abcdef","from":"","cursor":""},`) + len(a.Topic) + len(a.From) + len(a.Cursor)
	}
	return size
}

// failure appends what a client is told of an error: of its cause only the version that a
// key has, which is empty if the key isn't there.
func (o object) failure(e *push.Error) object {
	o = o.text("code", string(e.Code)).text("reason", e.Reason).name("retry", e.Code.Retry())
	if e.After > 0 {
		o = o.integer("after", int64((e.After+time.Millisecond-1)/time.Millisecond))
	}
	if v, ok := errors.AsType[*broker.VersionError](e.Cause); ok {
		o = o.name("version", v.Current.String())
	}
	return o
}

func (o object) receipt(r push.Receipt) object {
	o = o.text("id", r.ID).name("epoch", r.Position.Epoch.String()).number("offset", r.Position.Offset)
	if r.Duplicate {
		o = append(o.field("duplicate"), "true"...)
	}
	return o
}

func (o object) reply(r push.Reply) object {
	if r.Data == nil {
		return o
	}
	return o.data(r.Data, r.Encoding)
}
