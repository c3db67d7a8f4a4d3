package sse

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// heartbeat is a comment: it moves no cursor and raises no event. With a blank line some
// clients would take it for an event without data.
var heartbeat = &session.Frame{Bytes: []byte(":\n")}

// minRetry is the least time after which EventSource comes back when the stream
// has ended; up to as much again is added, so that not all come at once.
const minRetry = time.Second

// Message encodes a message as an event of its own name.
func (t *Transport) Message(m *push.Message) *session.Frame {
	cursor := protocol.Cursor(m)
	return event(m.Topic, cursor, m.Event, protocol.Message(m, cursor))
}

// Gap encodes a gap.
func (t *Transport) Gap(g broker.Gap) *session.Frame {
	cursor := cursor.Format(g.Topic, g.Now)
	return event(g.Topic, cursor, broker.ReservedEventPrefix+protocol.TypeGap, protocol.Gap(g, cursor))
}

// State encodes changes of a state topic.
func (t *Transport) State(topic string, changes []session.Change, at broker.Position) *session.Frame {
	cursor := protocol.CursorAt(topic, at)
	return event(topic, cursor, broker.ReservedEventPrefix+protocol.TypeState, protocol.State(topic, changes, cursor))
}

// Synced encodes that a client has the whole of a state topic.
func (t *Transport) Synced(topic string, at broker.Position) *session.Frame {
	cursor := protocol.CursorAt(topic, at)
	return event(topic, cursor, broker.ReservedEventPrefix+protocol.TypeSynced, protocol.Synced(topic, at.Epoch, cursor))
}

// Reset encodes that a client is to forget what it has of a state topic, its cursor too:
// on an instance where that is good it would get only what has changed since.
func (t *Transport) Reset(topic string, reason broker.GapReason, epoch broker.Epoch) *session.Frame {
	return event(topic, cursor.Empty, broker.ReservedEventPrefix+protocol.TypeReset, protocol.Reset(topic, reason, epoch))
}

// Reconnect encodes the request to come back. EventSource does so after the time that
// the welcome set. A shorter time here would hold for as long as the server is away.
func (t *Transport) Reconnect(afterMS int) *session.Frame {
	return event("", "", broker.ReservedEventPrefix+protocol.TypeReconnect, protocol.Reconnect(afterMS))
}

func (t *Transport) welcome(s *session.Session, answers []session.Followed) *session.Frame {
	f := event("", "", broker.ReservedEventPrefix+protocol.TypeWelcome,
		protocol.Welcome(s.ID(), t.options.Heartbeat, s.Identity().Expires, answers))
	f.Bytes = append(retry(minRetry+rand.N(minRetry)), f.Bytes...)
	return f
}

func failure(e *push.Error) *session.Frame {
	return event("", "", broker.ReservedEventPrefix+protocol.TypeError, protocol.Error(e))
}

func retry(d time.Duration) []byte {
	return append(strconv.AppendInt([]byte("retry: "), d.Milliseconds(), 10), '\n')
}

// event encodes one event. Data is JSON on one line.
func event(topic, cursor, name string, data []byte) *session.Frame {
	b := appendHead(make([]byte, 0, eventSize(cursor, name)+len("data: \n")+len(data)), cursor, name)
	return &session.Frame{Topic: topic, Cursor: cursor, Bytes: append(appendField(b, "data", data), '\n')}
}

// eventSize is room for an event without its data.
func eventSize(cursor, name string) int {
	return len("id: \nevent: \n\n") + len(cursor) + len(name)
}

// appendHead appends what is before an event's data. A name with a line break is refused
// when a message is published; from a broker that doesn't check it would become an event
// of its own, so it is left out. The id for clients that follow only this topic is first.
func appendHead(b []byte, cursor, name string) []byte {
	if cursor != "" {
		b = appendID(b, cursor)
	}
	if name != "" && !strings.ContainsAny(name, "\r\n") {
		b = appendField(b, "event", name)
	}
	return b
}

// idLength is how many of a frame's first bytes are its id line, which is for clients of
// its topic alone.
func idLength(f *session.Frame) int {
	if f.Cursor == "" {
		return 0
	}
	return len("id: \n") + len(f.Cursor)
}

func appendID(b []byte, cursor string) []byte { return appendField(b, "id", cursor) }

// appendField appends one field, on a line of its own.
func appendField[T string | []byte](b []byte, name string, value T) []byte {
	return append(append(append(append(b, name...), ": "...), value...), '\n')
}
