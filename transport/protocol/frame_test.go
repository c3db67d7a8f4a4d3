package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

var (
	epoch       = broker.Epoch(0x9f8a6c21d0e4b735)
	seven       = broker.Position{Epoch: epoch, Offset: 7}
	forbidden   = &protocol.Failure{Code: push.CodeForbidden, Reason: "forbidden", Retry: "never"}
	wantAnswers = []protocol.Answer{
		{Topic: "orders/42", From: "now", Cursor: "1xN0WXwbDX5-KbCHQ5Lc1AQIDBAc"},
		{Topic: "orders/43", From: "cursor", Cursor: "17ZVZGoLALZ-KbCHQ5Lc1AQIDBAc"},
		{Topic: "orders/44", From: "cursor"},
		{Topic: "secret", Failure: forbidden},
	}
	wantStateAnswers = []protocol.Answer{
		{Topic: "prices", From: "snapshot", Epoch: epoch},
		{Topic: "flags", From: "cursor", Cursor: cursor.Format("flags", position), Epoch: 1},
		{Topic: "news", Failure: &protocol.Failure{Code: push.CodeWrongKind, Reason: "the topic is of another kind", Retry: "never"}},
	}
)

func received(change func(*push.Message)) protocol.Frame {
	m := push.Message{Topic: "orders/42", Data: []byte("hello")}
	change(&m)
	return protocol.Frame{Type: "message", Message: m, At: "AQIDBAc"}
}

// decoded are what the golden files of server frames mean to a client.
var decoded = map[string]protocol.Frame{
	"welcome": {
		Type: "welcome", Session: "0199a1b2-0000-7000-8000-0000000000ff", Heartbeat: 25 * time.Second,
		Features: []string{"recent"}, Answers: wantAnswers,
	},
	"welcome_state": {
		Type: "welcome", Session: "0199a1b2-0000-7000-8000-0000000000ff", Heartbeat: 25 * time.Second,
		Features: []string{"recent", "state"}, Answers: append(wantAnswers, wantStateAnswers...),
	},
	"welcome_state_no_topics": {Type: "welcome", Session: "s", Heartbeat: 15 * time.Second, Features: []string{"recent", "state"}},
	"welcome_expires": {
		Type: "welcome", Session: "s", Heartbeat: 15 * time.Second, Features: []string{"recent", "state"},
		Expires: 3599 * time.Second, DoesExpire: true, Answers: wantAnswers[:1],
	},
	"subscribed_state": {Type: "subscribed", Request: 8, IsAnswer: true, Answers: wantStateAnswers},
	"state": {Type: "state", At: "AQIDBAc", State: protocol.StateFrame{Topic: "prices", Changes: []session.Change{
		{Op: broker.OpSet, Key: "ACME", Version: 17, Data: []byte(`{"px":1.50}`), Encoding: push.EncodingJSON},
		{Op: broker.OpDelete, Key: "X"},
		{Op: broker.OpAppend, Key: "a", Start: 12, Version: 18, Data: []byte("more")},
	}}},
	"state_snapshot": {Type: "state", State: protocol.StateFrame{Topic: "prices", Changes: []session.Change{
		{Op: broker.OpSet, Key: "from another epoch", Data: []byte("hello")},
		{Op: broker.OpSet, Key: "bytes", Version: 1, Data: []byte{0, 1, 254, 255}, Encoding: push.EncodingBinary},
		{Op: broker.OpSet, Key: "null", Version: broker.MaxOffset, Data: []byte("null"), Encoding: push.EncodingJSON},
		{Op: broker.OpSet, Key: "empty", Version: 2, Data: []byte{}},
	}}},
	"state_hard_text": {Type: "state", State: protocol.StateFrame{Topic: "__proto__", Changes: []session.Change{
		{Op: broker.OpSet, Key: "__proto__", Version: 3, Data: []byte("line\r\ndata: x\u2028\x00")},
		{Op: broker.OpAppend, Key: "\"😀\\", Version: 4, Data: []byte("😀")},
		{Op: broker.OpDelete, Key: "constructor"},
	}}},
	"state_nothing":     {Type: "state", At: "AQIDBAc", State: protocol.StateFrame{Topic: "prices"}},
	"synced":            {Type: "synced", Cursor: stateCursor, State: protocol.StateFrame{Topic: "prices", Epoch: epoch}},
	"reset":             {Type: "reset", State: protocol.StateFrame{Topic: "prices", Epoch: epoch, Reason: broker.GapEpoch}},
	"welcome_no_topics": {Type: "welcome", Session: "s", Heartbeat: 15 * time.Second, Features: []string{"recent"}},
	"message":           received(func(*push.Message) {}),
	"message_full":      received(func(m *push.Message) { m.Event, m.Key = "created", "42" }),
	"message_named": received(func(m *push.Message) {
		m.ID, m.Named, m.Time, m.TellTime = "0199a1b2-0000-7000-8000-000000000001", true, noon, true
	}),
	"message_json": received(func(m *push.Message) {
		m.Data, m.Encoding = []byte(`{"px":1.50,"at":[1,{"":null}],"text":"a\u2028"}`), push.EncodingJSON
	}),
	"message_json_null": received(func(m *push.Message) { m.Data, m.Encoding = []byte("null"), push.EncodingJSON }),
	"message_binary":    received(func(m *push.Message) { m.Data, m.Encoding = []byte{0, 1, 254, 255}, push.EncodingBinary }),
	"message_empty":     received(func(m *push.Message) { m.Data = []byte{} }),
	"message_hard_text": received(func(m *push.Message) {
		m.Data = []byte("\ufeffline\nline\rline\r\n\ndata: x\nid: y\n:c\u2028\u2029<b>&\"\\\x00😀")
	}),
	"message_without_position": {Type: "message", Message: push.Message{Topic: "orders/42", Data: []byte("hello")}},
	"message_topic_proto":      received(func(m *push.Message) { m.Topic = "__proto__" }),
	"message_last_offset":      received(func(*push.Message) {}),
	"gap": {
		Type: "gap", Cursor: "1xN0WXwbDX5-KbCHQ5Lc1AQIDBPkP",
		Gap: broker.Gap{Topic: "orders/42", Reason: broker.GapTrimmed, Last: seven, Now: broker.Position{Epoch: epoch, Offset: 2041}},
	},
	"gap_unknown_cursor": {
		Type: "gap", Cursor: "1xN0WXwbDX5-KbCHQ5Lc1AQIDBAc",
		Gap: broker.Gap{Topic: "orders/42", Reason: broker.GapUnknownCursor, Now: seven},
	},
	"subscribed": {Type: "subscribed", Request: 1, IsAnswer: true, Answers: wantAnswers},
	"subscribed_too_fast": {Type: "subscribed", Request: 1, IsAnswer: true, Answers: []protocol.Answer{{
		Topic: "orders/42",
		Failure: &protocol.Failure{
			Code: push.CodeRateLimited, Reason: "too many new topics in too short a time", Retry: "later", After: 1501 * time.Millisecond,
		},
	}}},
	"subscribed_recent": {Type: "subscribed", Request: 7, IsAnswer: true, Answers: []protocol.Answer{
		{Topic: "orders/42", From: "recent", Cursor: "1xN0WXwbDX5-KbCHQ5Lc1AQIDBAc"},
	}},
	"unsubscribed": {Type: "unsubscribed", Request: 2, IsAnswer: true, Topics: []string{"orders/42"}},
	"reply":        {Type: "reply", Request: 3, IsAnswer: true, Reply: push.Reply{Data: []byte("stored")}},
	"reply_binary": {Type: "reply", Request: 3, IsAnswer: true, Reply: push.Reply{Data: []byte{255}, Encoding: push.EncodingBinary}},
	"reply_json":   {Type: "reply", Request: 3, IsAnswer: true, Reply: push.Reply{Data: []byte(`{"stored":true}`), Encoding: push.EncodingJSON}},
	"reply_empty":  {Type: "reply", Request: 3, IsAnswer: true},
	"error": {Type: "error", Failure: &protocol.Failure{
		Code: push.CodeSlowConsumer, Reason: "read too slowly; come back with the cursor", Retry: "now",
	}},
	"error_of_request": {
		Type: "error", Request: 3, IsAnswer: true,
		Failure: &protocol.Failure{Code: push.CodeForbidden, Reason: "you may not write here", Retry: "never"},
	},
	"ping":      {Type: "ping"},
	"pong":      {Type: "pong"},
	"reconnect": {Type: "reconnect", After: 350 * time.Millisecond},
}

func golden(t *testing.T, folder, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", folder, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(text, []byte("\n"))
}

func TestGoldenServerFramesAreRead(t *testing.T) {
	if len(decoded) != len(serverFrames)+len(olderFrames) {
		t.Errorf("%d frames are read of %d", len(decoded), len(serverFrames)+len(olderFrames))
	}
	for name := range decoded {
		t.Run(name, func(t *testing.T) {
			want := decoded[name]
			got, err := protocol.ParseFrame(golden(t, "server", name))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// TestUnknownIsIgnored has every golden file with what a later server may add.
func TestUnknownIsIgnored(t *testing.T) {
	const more = `{"x":[{"type":"error"},{}],"Type":"gap","TYPE":1,"":null,"__proto__":{"code":"forbidden"},"deep":`
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	for name := range decoded {
		text := bytes.ReplaceAll(golden(t, "server", name), []byte(`{"topic":`), []byte(`{"new":{"a":1},"topic":`))
		text = bytes.ReplaceAll(text, []byte(`{"key":`), []byte(`{"new":{"a":1},"key":`))
		got, err := protocol.ParseFrame([]byte(" " + more + deep + ",\t" + string(text[1:]) + "\n"))
		if err != nil || !reflect.DeepEqual(got, decoded[name]) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, decoded[name])
		}
	}
	got, err := protocol.ParseFrame([]byte(`{"type":"dance","id":"x","topics":1,"data":[1],"after":"soon"}`))
	if err != nil || got.Type != "dance" || got.IsAnswer {
		t.Errorf("a frame of an unknown type: %+v, %v", got, err)
	}
}

func TestMalformedServerFrames(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                   "",
		"not JSON":                "hello",
		"an array":                `[{"type":"ping"}]`,
		"cut off":                 `{"type":"message","topic":"a"`,
		"two objects":             `{"type":"ping"}{}`,
		"no type":                 `{"id":1}`,
		"type is a number":        `{"type":1}`,
		"topic is a number":       `{"type":"message","topic":1,"data":"x"}`,
		"no data":                 `{"type":"message","topic":"a"}`,
		"data isn't base64":       `{"type":"message","topic":"a","encoding":"base64","data":"*"}`,
		"JSON as base64":          `{"type":"message","topic":"a","encoding":"base64","data":{}}`,
		"unknown encoding":        `{"type":"message","topic":"a","encoding":"hex","data":"00"}`,
		"time is a text":          `{"type":"message","topic":"a","data":"","time":"now"}`,
		"epoch is short":          `{"type":"gap","topic":"a","now":{"epoch":"9f","offset":1}}`,
		"topics is an object":     `{"type":"welcome","topics":{}}`,
		"topics of texts":         `{"type":"subscribed","id":1,"topics":["a"]}`,
		"cursor is a number":      `{"type":"subscribed","id":1,"topics":[{"topic":"a","cursor":1}]}`,
		"code is an object":       `{"type":"subscribed","id":1,"topics":[{"topic":"a","error":{"code":{}}}]}`,
		"topics of objects":       `{"type":"unsubscribed","id":1,"topics":[{}]}`,
		"no changes":              `{"type":"state","topic":"a"}`,
		"changes is an object":    `{"type":"state","topic":"a","changes":{}}`,
		"changes of texts":        `{"type":"state","topic":"a","changes":["a"]}`,
		"a change without a key":  `{"type":"state","topic":"a","changes":[{"version":1,"data":""}]}`,
		"a set without data":      `{"type":"state","topic":"a","changes":[{"key":"k","version":1}]}`,
		"an unknown operation":    `{"type":"state","topic":"a","changes":[{"key":"k","op":"add","version":1,"data":""}]}`,
		"a version that is text":  `{"type":"state","topic":"a","changes":[{"key":"k","version":"1","data":""}]}`,
		"JSON is appended":        `{"type":"state","topic":"a","changes":[{"key":"k","op":"append","start":1,"version":1,"data":{}}]}`,
		"a start below zero":      `{"type":"state","topic":"a","changes":[{"key":"k","op":"append","start":-1,"version":1,"data":""}]}`,
		"a state without epoch":   `{"type":"welcome","topics":[{"topic":"a","kind":"state","from":"snapshot"}]}`,
		"synced without epoch":    `{"type":"synced","topic":"a","cursor":"1"}`,
		"reset with a bad epoch":  `{"type":"reset","topic":"a","epoch":"9f"}`,
		"delay is negative":       `{"type":"reconnect","after":-1}`,
		"heartbeat is a fraction": `{"type":"welcome","heartbeat":1.5}`,
		"expires is a text":       `{"type":"welcome","expires":"soon"}`,
	} {
		if got, err := protocol.ParseFrame([]byte(text)); !errors.As(err, new(*protocol.MalformedError)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestHTTPAnswersAreRead(t *testing.T) {
	want := &push.Error{Code: push.CodeRateLimited, Reason: "too fast", After: 1500 * time.Millisecond}
	failure, err := protocol.ParseHTTPError(protocol.HTTPError(want))
	if err != nil || failure.Final() || !reflect.DeepEqual(failure.Error(), want) {
		t.Errorf("an error: %+v, %v", failure, err)
	}
	for _, current := range []broker.Version{{}, {Epoch: epoch, Offset: 17}} {
		conflict := push.NewError(push.CodeConflict, "another version", fmt.Errorf("wrapped: %w", &broker.VersionError{Current: current}))
		failure, err := protocol.ParseHTTPError(protocol.HTTPError(conflict))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := errors.AsType[*broker.VersionError](failure.Error()); !ok || got.Current != current {
			t.Errorf("the version %q: %+v", current, failure)
		}
	}
	if failure, err := protocol.ParseHTTPError([]byte(`{"code":"conflict","version":17}`)); err == nil {
		t.Errorf("a version that is a number: %+v", failure)
	}
	for _, body := range []string{"", "<html>", "{}", `{"code":1}`, "null"} {
		if failure, err := protocol.ParseHTTPError([]byte(body)); err == nil {
			t.Errorf("%q is %+v", body, failure)
		}
	}
	for _, reply := range []push.Reply{{}, {Data: []byte("")}, {Data: []byte("true"), Encoding: push.EncodingJSON}} {
		if got, err := protocol.ParseHTTPReply(protocol.HTTPReply(reply)); err != nil || !reflect.DeepEqual(got, reply) {
			t.Errorf("a reply: %+v, %v; want %+v", got, err, reply)
		}
	}
	for _, receipt := range []push.Receipt{{ID: "a", Position: seven}, {ID: "b", Position: seven, Duplicate: true}} {
		if got, err := protocol.ParseHTTPReceipt(protocol.HTTPReceipt(receipt)); err != nil || got != receipt {
			t.Errorf("a receipt: %+v, %v; want %+v", got, err, receipt)
		}
	}
	for _, body := range []string{"<html>", "{}", `{"id":1}`, `{"id":"a","epoch":"x","offset":1}`} {
		if got, err := protocol.ParseHTTPReceipt([]byte(body)); err == nil {
			t.Errorf("%q is %+v", body, got)
		}
	}
}

func TestRetryDecides(t *testing.T) {
	for _, test := range []struct {
		failure protocol.Failure
		final   bool
	}{
		{protocol.Failure{Code: "made_up", Retry: "never"}, true},
		{protocol.Failure{Code: "made_up", Retry: "later"}, false},
		{protocol.Failure{Code: "made_up"}, false},
		{protocol.Failure{Code: push.CodeForbidden}, true},
		{protocol.Failure{Code: push.CodeForbidden, Retry: "sometimes"}, true},
		{protocol.Failure{Code: push.CodeInternal, Retry: "never"}, true},
	} {
		if test.failure.Final() != test.final {
			t.Errorf("%+v is final: %v", test.failure, !test.final)
		}
	}
}

func TestServerFramesCostAboutWhatTheyAre(t *testing.T) {
	const size = 64 << 10
	for name, frame := range map[string][]byte{
		"unknown fields": filled(`{"type":"ping"`, `,"a":0`, `}`, size),
		"repeated key":   filled(`{"type":"ping"`, `,"type":"pong"`, `}`, size),
		"nested":         filled(`{"type":"welcome","x":`+strings.Repeat("[", 9000), `0,0,`, "0"+strings.Repeat("]", 9000)+`}`, size),
		"changes":        filled(`{"type":"state","topic":"a","changes":[{"key":"a","op":"delete"}`, `,{"key":"a","op":"delete"}`, `]}`, size),
		"data":           filled(`{"type":"message","topic":"a","data":[0`, `,0`, `]}`, size),
	} {
		if _, err := protocol.ParseFrame(frame); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := allocated(func() { _, _ = protocol.ParseFrame(frame) }); n > 1<<20 {
			t.Errorf("%s: a frame of %d bytes made %d bytes be allocated", name, len(frame), n)
		}
	}
}

func TestClientFramesAreGolden(t *testing.T) {
	message := func(name string) *push.Message {
		r := clientFrames[name]
		return &push.Message{Topic: r.Topic, Event: r.Event, ID: r.Message, Data: r.Data, Encoding: r.Encoding}
	}
	sent := map[string][]byte{
		"subscribe": protocol.Subscribe(1, []protocol.Follow{{Topic: "orders/42", Since: "1AAECAwQFn4psIdDktzUBAgMEBw"}, {Topic: "orders/43"}}),
		"subscribe_recent": protocol.Subscribe(7, []protocol.Follow{
			{Topic: "orders/42", Since: "1AAECAwQFn4psIdDktzUBAgMEBw", Recent: 50}, {Topic: "orders/43", Recent: 1<<31 - 1},
		}),
		"subscribe_state": protocol.Subscribe(8, []protocol.Follow{
			{Topic: "prices", State: true}, {Topic: "flags", State: true, Since: "1AAECAwQFn4psIdDktzUBAgMEBw"}, {Topic: "orders/42"},
		}),
		"unsubscribe": protocol.Unsubscribe(2, []string{"orders/42"}),
		"ping":        protocol.Ping(),
		"pong":        protocol.Pong(),
	}
	for name, request := range clientFrames {
		if request.Type == protocol.TypeSend {
			sent[name] = protocol.Send(request.ID, message(name))
		}
		if want := golden(t, "client", name); !bytes.Equal(sent[name], want) {
			t.Errorf("%s: got  %s\nwant %s", name, sent[name], want)
		}
	}
}

// FuzzSend: what a client sends, the server reads as it was.
func FuzzSend(f *testing.F) {
	f.Add("a", "typing", "id", []byte("hello"), uint8(0))
	f.Add("__proto__", "", "", []byte(`{"a":[1.50]}`), uint8(1))
	f.Add("ä\u2028", "\"", "", []byte{0, 255}, uint8(2))
	f.Fuzz(func(t *testing.T, topic, event, id string, data []byte, encoding uint8) {
		e := push.Encoding(encoding % 3)
		data, err := e.Normalize(data)
		if err != nil {
			t.Skip()
		}
		for _, s := range []*string{&topic, &event, &id} {
			*s = strings.ToValidUTF8(*s, "?")
		}
		frame := protocol.Send(7, &push.Message{Topic: topic, Event: event, ID: id, Data: data, Encoding: e})
		got, err := protocol.ParseRequest(frame)
		if e == push.EncodingJSON && data[0] == '"' { // it looks like text, and is then
			var text string
			if err := json.Unmarshal(data, &text); err != nil {
				t.Fatal(err)
			}
			data, e = []byte(text), push.EncodingText
		}
		want := protocol.Request{Type: "send", ID: 7, Topic: topic, Event: event, Message: id, Data: data, Encoding: e}
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", frame, got, err, want)
		}
	})
}

// FuzzParseFrame has any text. What is taken is JSON, and means what encoding/json says.
func FuzzParseFrame(f *testing.F) {
	for name := range decoded {
		text, err := os.ReadFile(filepath.Join("testdata", "server", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"type":"message","x":{"a":[{}]},"topic":"\u0061","data":" \ud800","type":"message"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = protocol.ParseHTTPError(text)
		_, _ = protocol.ParseHTTPReply(text)
		_, _ = protocol.ParseHTTPReceipt(text)
		frame, err := protocol.ParseFrame(text)
		var fields map[string]json.RawMessage
		valid := json.Unmarshal(text, &fields) == nil && fields != nil
		if err != nil {
			if !errors.As(err, new(*protocol.MalformedError)) {
				t.Errorf("%v", err)
			}
			return
		}
		if !valid {
			t.Fatalf("%q is no object, and was taken", text)
		}
		var want string
		if json.Unmarshal(fields["type"], &want) != nil || frame.Type != want {
			t.Errorf("%q has the type %q", text, frame.Type)
		}
		if frame.Type != protocol.TypeMessage {
			return
		}
		var topic string
		_ = json.Unmarshal(fields["topic"], &topic)
		if frame.Message.Topic != topic {
			t.Errorf("%q has the topic %q", text, frame.Message.Topic)
		}
		if frame.Message.Encoding == push.EncodingJSON && !bytes.Equal(frame.Message.Data, fields["data"]) {
			t.Errorf("%q has the data %q", text, frame.Message.Data)
		}
	})
}

func BenchmarkParseFrame(b *testing.B) {
	for name, frame := range map[string][]byte{
		"message": protocol.Message(message(func(m *push.Message) { m.Data = []byte(strings.Repeat("0123456789abcdef", 8)) }), at),
		"welcome": protocol.Welcome("0199a1b2-0000-7000-8000-0000000000ff", 25*time.Second, time.Time{}, answers),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := protocol.ParseFrame(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
