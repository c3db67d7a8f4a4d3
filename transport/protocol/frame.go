package protocol

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Frame is a frame from a server, or the body of one of its HTTP answers, as
// [ParseFrame] reads it for clients. Which fields are set depends on the type.
type Frame struct {
	Type string
	// Request is the id of the request that a subscribed, unsubscribed, reply or error
	// answers. IsAnswer is false if there is none.
	Request  uint64
	IsAnswer bool

	// Session, Heartbeat and Features are those of a welcome. Expires is how long the client's
	// identity still lasts, in whole seconds, if DoesExpire.
	Session    string
	Heartbeat  time.Duration
	Features   []string
	Expires    time.Duration
	DoesExpire bool

	// Answers are those of a welcome or a subscribed, and Topics those of an unsubscribed.
	Answers []Answer
	Topics  []string

	// Message is the message of a message: Topic, Event, Key, Data, Encoding, and ID and Time
	// if the server told them. Its position isn't there: At moves the topic's cursor, if it
	// isn't empty.
	Message push.Message
	At      string

	// Gap is that of a gap, without tags, and Cursor the cursor after it.
	Gap    broker.Gap
	Cursor string

	// State is that of a state, whose At may move the cursor, of a synced, after which Cursor is
	// the cursor, and of a reset.
	State StateFrame

	// Reply is that of a reply; its Data is nil if there is none.
	Reply push.Reply
	// Failure is what an error says.
	Failure *Failure
	// After is the delay of a reconnect.
	After time.Duration
}

// Answer is what became of one topic that a client has asked for.
type Answer struct {
	Topic string
	// From is "now", "cursor", "recent" or "snapshot".
	From string
	// Epoch is that of the versions of a state topic's keys; zero for a log.
	Epoch broker.Epoch
	// Cursor is the client's position, empty if it isn't known yet.
	Cursor string
	// Failure says why the topic is refused; nil if it is followed.
	Failure *Failure
}

// ParseFrame reads a frame from a server. It ignores what it doesn't know: fields, and all
// but the type of a frame whose type it doesn't know. What isn't a JSON object with a
// type, or has a known field of the wrong kind, is a [*MalformedError]. The frame keeps
// nothing of the text.
func ParseFrame(text []byte) (Frame, error) {
	o, err := parseObject(text)
	if err != nil {
		return Frame{}, err
	}
	r := reader{object: o}
	f := Frame{Type: r.text("type")}
	if r.err == nil && f.Type == "" {
		return f, &MalformedError{"a frame without a type"}
	}
	if f.Type != TypeMessage {
		f.Request, f.IsAnswer = r.request()
	}
	switch f.Type {
	case TypeWelcome:
		f.Session, f.Heartbeat = r.text("session"), r.milliseconds("heartbeat")
		f.Features, f.Answers = r.texts("features"), r.answers()
		f.Expires, f.DoesExpire = r.seconds("expires")
	case TypeSubscribed:
		f.Answers = r.answers()
	case TypeUnsubscribed:
		f.Topics = r.texts("topics")
	case TypeMessage:
		f.Message, f.At = r.message(), r.text("at")
	case TypeGap:
		f.Gap = broker.Gap{
			Topic: r.text("topic"), Reason: broker.GapReason(r.text("reason")), Last: r.position("last"), Now: r.position("now"),
		}
		f.Cursor = r.text("cursor")
	case TypeState:
		f.State, f.At = StateFrame{Topic: r.text("topic"), Changes: r.changes()}, r.text("at")
	case TypeSynced:
		f.State, f.Cursor = StateFrame{Topic: r.text("topic"), Epoch: r.epoch("epoch")}, r.text("cursor")
	case TypeReset:
		f.State = StateFrame{Topic: r.text("topic"), Epoch: r.epoch("epoch"), Reason: broker.GapReason(r.text("reason"))}
	case TypeReply:
		f.Reply.Data, f.Reply.Encoding = r.data()
	case TypeError:
		f.Failure = r.failure()
	case TypeReconnect:
		f.After = r.milliseconds("after")
	}
	return f, r.err
}

// ParseHTTPReply reads the answer to a send by POST.
func ParseHTTPReply(body []byte) (reply push.Reply, err error) {
	o, err := parseObject(body)
	if err != nil {
		return reply, err
	}
	r := reader{object: o}
	reply.Data, reply.Encoding = r.data()
	return reply, r.err
}

// reader reads the fields of an object, and keeps the first error.
type reader struct {
	object value
	err    error
}

func (r *reader) fail(key string) {
	if r.err == nil {
		r.err = &MalformedError{"the field " + key + " is of the wrong kind"}
	}
}

func (r *reader) text(key string) string {
	s, ok := r.object.field(key).str()
	if !ok {
		r.fail(key)
	}
	return s
}

// request reads the id of a request. An unknown type may use the field for something else.
func (r *reader) request() (id uint64, ok bool) {
	v := r.object.field("id")
	if v.isNull() {
		return 0, false
	}
	return v.number()
}

// maxMilliseconds keeps a duration from overflowing.
const maxMilliseconds = uint64(1<<63-1) / uint64(time.Millisecond)

func (r *reader) milliseconds(key string) time.Duration {
	n, ok := r.object.field(key).number()
	if !ok {
		r.fail(key)
	}
	return time.Duration(min(n, maxMilliseconds)) * time.Millisecond
}

// seconds reads a field that may be missing.
func (r *reader) seconds(key string) (d time.Duration, ok bool) {
	v := r.object.field(key)
	if v.isNull() {
		return 0, false
	}
	n, ok := v.number()
	if !ok {
		r.fail(key)
	}
	return time.Duration(min(n, maxMilliseconds/1000)) * time.Second, ok
}

func (r *reader) texts(key string) (texts []string) {
	v := r.object.field(key)
	if v.isNull() {
		return nil
	}
	for item, ok := range items(v) {
		s, isText := item.str()
		if !ok || !isText {
			r.fail(key)
			return nil
		}
		texts = append(texts, s)
	}
	return texts
}

func (r *reader) answers() (answers []Answer) {
	v := r.object.field("topics")
	if v.isNull() {
		return nil
	}
	for item, ok := range items(v) {
		if !ok || !item.starts('{') {
			r.fail("topics")
			return nil
		}
		entry := reader{object: objectOf(item)}
		a := Answer{Topic: entry.text("topic"), From: entry.text("from"), Cursor: entry.text("cursor")}
		if entry.text("kind") == kindState {
			a.Epoch = entry.epoch("epoch")
		}
		if failure := entry.object.field("error"); failure.starts('{') {
			inner := reader{object: objectOf(failure), err: entry.err}
			a.Failure, entry.err = inner.failure(), inner.err
		}
		if r.err == nil {
			r.err = entry.err
		}
		answers = append(answers, a)
	}
	return answers
}

func (r *reader) message() push.Message {
	m := push.Message{Topic: r.text("topic"), ID: r.text("id"), Event: r.text("event"), Key: r.text("key")}
	m.Named = m.ID != ""
	m.Data, m.Encoding = r.data()
	if m.Data == nil {
		r.fail("data")
	}
	if at := r.object.field("time"); !at.isNull() {
		n, ok := at.number()
		if !ok || n > maxMilliseconds {
			r.fail("time")
		}
		m.Time, m.TellTime = time.UnixMilli(int64(n)), true
	}
	return m
}

// data reads what is in data and encoding; nil if it isn't there.
func (r *reader) data() ([]byte, push.Encoding) {
	v, encoding := r.object.field("data"), r.text("encoding")
	switch {
	case v.text == nil:
		return nil, push.EncodingText
	case encoding == "" && !v.starts('"'):
		return append([]byte{}, v.text...), push.EncodingJSON
	}
	text := r.text("data")
	switch {
	case encoding == "":
		return []byte(text), push.EncodingText
	case encoding != encodingBase64 || !v.starts('"'):
		r.fail("encoding")
		return nil, push.EncodingText
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		r.fail("data")
	}
	return data, push.EncodingBinary
}

func (r *reader) position(key string) broker.Position {
	v := r.object.field(key)
	if !v.starts('{') {
		return broker.Position{}
	}
	return r.place(objectOf(v))
}

// place reads the epoch and the offset of an object.
func (r *reader) place(o value) (p broker.Position) {
	inner := reader{object: o}
	epoch, err := broker.ParseEpoch(inner.text("epoch"))
	offset, ok := o.field("offset").number()
	if err != nil || !ok {
		r.fail("epoch or offset")
		return broker.Position{}
	}
	return broker.Position{Epoch: epoch, Offset: offset}
}

// parseObject reads any JSON object.
func parseObject(text []byte) (value, error) {
	p := parser{rest: text}
	if p.next() != '{' {
		return value{}, &MalformedError{"not an object"}
	}
	if !json.Valid(text) {
		return value{}, errNotJSON
	}
	return objectOf(value{text: p.rest}), nil
}
