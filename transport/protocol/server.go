package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/push"
)

// encodingBase64 marks data that is base64 (RFC 4648 section 4) of a binary
// payload; text has no mark.
const encodingBase64 = "base64"

// encode gives v as JSON on one line.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("protocol: " + err.Error()) // all types here can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// payload gives data as it stands in a frame.
func payload(data []byte, binary bool) (text, encoding string) {
	if binary {
		return base64.StdEncoding.EncodeToString(data), encodingBase64
	}
	return string(data), ""
}

// Message encodes a message; cursor is the place after it, or empty.
func Message(m *push.Message, cursor string) []byte {
	data, encoding := payload(m.Data, m.Binary)
	f := struct {
		Type     string `json:"type"`
		Topic    string `json:"topic"`
		ID       string `json:"id"`
		Event    string `json:"event,omitempty"`
		Key      string `json:"key,omitempty"`
		Encoding string `json:"encoding,omitempty"`
		Data     string `json:"data"`
		Cursor   string `json:"cursor,omitempty"`
		Epoch    string `json:"epoch,omitempty"`
		Offset   uint64 `json:"offset,omitempty"`
		Time     int64  `json:"time,omitempty"`
	}{
		Type: TypeMessage, Topic: m.Topic, ID: m.ID, Event: m.Event, Key: m.Key,
		Encoding: encoding, Data: data, Cursor: cursor, Offset: m.Offset,
	}
	if !m.Position.IsZero() {
		f.Epoch = m.Epoch.String()
	}
	if !m.Time.IsZero() {
		f.Time = m.Time.UnixMilli()
	}
	return encode(f)
}

// place is a position as clients see it: without the tag.
type place struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

func placeOf(p push.Position) *place {
	if p.IsZero() {
		return nil
	}
	return &place{p.Epoch.String(), p.Offset}
}

// Gap encodes a gap; cursor is the place after it.
func Gap(g push.Gap, cursor string) []byte {
	return encode(struct {
		Type   string         `json:"type"`
		Topic  string         `json:"topic"`
		Reason push.GapReason `json:"reason"`
		Last   *place         `json:"last,omitempty"`
		Now    *place         `json:"now"`
		Cursor string         `json:"cursor"`
	}{TypeGap, g.Topic, g.Reason, placeOf(g.Last), placeOf(g.Now), cursor})
}

// ErrorBody is what a client is told of an error: in an error frame, in the
// answer for a topic, and as the body of an HTTP error.
type ErrorBody struct {
	Code   push.Code  `json:"code"`
	Reason string     `json:"reason"`
	Retry  push.Retry `json:"retry"`
}

func bodyOf(e *push.Error) ErrorBody {
	return ErrorBody{e.Code, e.Reason, e.Code.Retry()}
}

// HTTPError encodes the body of an HTTP error.
func HTTPError(e *push.Error) []byte { return encode(bodyOf(e)) }

// Error encodes an error about the connection.
func Error(e *push.Error) []byte {
	return encode(struct {
		Type string `json:"type"`
		ErrorBody
	}{TypeError, bodyOf(e)})
}

// RequestError encodes an error that answers the request with this id.
func RequestError(id uint64, e *push.Error) []byte {
	return encode(struct {
		Type string `json:"type"`
		ID   uint64 `json:"id"`
		ErrorBody
	}{TypeError, id, bodyOf(e)})
}

// topicState is the answer for one topic.
type topicState struct {
	Topic  string     `json:"topic"`
	From   push.From  `json:"from,omitempty"`
	Cursor string     `json:"cursor,omitempty"`
	Error  *ErrorBody `json:"error,omitempty"`
}

func topicStates(answers []push.Followed) []topicState {
	states := make([]topicState, len(answers))
	for i, a := range answers {
		if a.Err != nil {
			body := bodyOf(a.Err)
			states[i] = topicState{Topic: a.Topic, Error: &body}
			continue
		}
		states[i] = topicState{Topic: a.Topic, From: a.From, Cursor: a.Cursor}
	}
	return states
}

// Welcome encodes the first frame of a connection.
func Welcome(session string, heartbeat time.Duration, answers []push.Followed) []byte {
	return encode(struct {
		Type      string       `json:"type"`
		Protocol  string       `json:"protocol"`
		Session   string       `json:"session"`
		Heartbeat int64        `json:"heartbeat"`
		Topics    []topicState `json:"topics"`
	}{TypeWelcome, Subprotocol, session, heartbeat.Milliseconds(), topicStates(answers)})
}

// Subscribed encodes the answer to a subscribe.
func Subscribed(id uint64, answers []push.Followed) []byte {
	return encode(struct {
		Type   string       `json:"type"`
		ID     uint64       `json:"id"`
		Topics []topicState `json:"topics"`
	}{TypeSubscribed, id, topicStates(answers)})
}

// Unsubscribed encodes the answer to an unsubscribe.
func Unsubscribed(id uint64, topics []string) []byte {
	return encode(struct {
		Type   string   `json:"type"`
		ID     uint64   `json:"id"`
		Topics []string `json:"topics"`
	}{TypeUnsubscribed, id, topics})
}

// replyBody is a reply's data; a reply of nothing has none.
type replyBody struct {
	Encoding string  `json:"encoding,omitempty"`
	Data     *string `json:"data,omitempty"`
}

func replyOf(r push.Reply) (body replyBody) {
	if r.Data != nil {
		data, encoding := payload(r.Data, r.Binary)
		body.Data, body.Encoding = &data, encoding
	}
	return body
}

// Reply encodes the answer to a send.
func Reply(id uint64, r push.Reply) []byte {
	return encode(struct {
		Type string `json:"type"`
		ID   uint64 `json:"id"`
		replyBody
	}{TypeReply, id, replyOf(r)})
}

// HTTPReply encodes the answer to a send by POST.
func HTTPReply(r push.Reply) []byte { return encode(replyOf(r)) }

// HTTPReceipt encodes the answer to a publish by POST.
func HTTPReceipt(r push.Receipt) []byte {
	return encode(struct {
		ID        string `json:"id"`
		Epoch     string `json:"epoch"`
		Offset    uint64 `json:"offset"`
		Duplicate bool   `json:"duplicate,omitempty"`
	}{r.ID, r.Position.Epoch.String(), r.Position.Offset, r.Duplicate})
}

// Reconnect encodes the request to come back elsewhere after so many
// milliseconds.
func Reconnect(afterMS int) []byte {
	return encode(struct {
		Type  string `json:"type"`
		After int    `json:"after"`
	}{TypeReconnect, afterMS})
}

// Ping and Pong encode the heartbeat and its answer.
func Ping() []byte { return []byte(`{"type":"ping"}`) }

// Pong encodes the answer to a client's ping.
func Pong() []byte { return []byte(`{"type":"pong"}`) }
