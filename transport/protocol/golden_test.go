package protocol_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

var update = flag.Bool("update", false, "write the golden files of server frames anew")

var (
	position = broker.Position{Epoch: 0x9f8a6c21d0e4b735, Offset: 7, Tag: 0x01020304}
	at       = cursor.Format("orders/42", position)
	noon     = time.UnixMilli(1763715120123)
)

func message(change func(*push.Message)) *push.Message {
	m := &push.Message{
		ID: "0199a1b2-0000-7000-8000-000000000001", Topic: "orders/42", Data: []byte("hello"),
		Position: position, PreviousTag: 9, Time: noon,
	}
	if change != nil {
		change(m)
	}
	return m
}

var (
	stateCursor  = cursor.Format("prices", position)
	stateAnswers = []session.Followed{
		{Topic: "prices", From: session.FromSnapshot, Epoch: position.Epoch},
		{Topic: "flags", From: session.FromCursor, Cursor: cursor.Format("flags", position), Epoch: 1},
		{Topic: "news", Err: push.NewError(push.CodeWrongKind, "", nil)},
	}
)

var answers = []session.Followed{
	{Topic: "orders/42", From: session.FromNow, Cursor: at},
	{Topic: "orders/43", From: session.FromCursor, Cursor: cursor.Format("orders/43", position)},
	{Topic: "orders/44", From: session.FromCursor},
	{Topic: "secret", Err: push.NewError(push.CodeForbidden, "forbidden", errors.New("not told"))},
}

// olderFrames are golden files of frames that a server doesn't write any more, and that
// clients read.
var olderFrames = []string{"welcome", "welcome_no_topics"}

// serverFrames are the frames that a server writes, by the name of their golden
// file.
var serverFrames = map[string]func() []byte{
	"welcome_state": func() []byte {
		return protocol.Welcome("0199a1b2-0000-7000-8000-0000000000ff", 25*time.Second, time.Time{}, append(answers, stateAnswers...))
	},
	"welcome_state_no_topics": func() []byte { return protocol.Welcome("s", 15*time.Second, time.Time{}, nil) },
	"welcome_expires": func() []byte {
		return protocol.Welcome("s", 15*time.Second, time.Now().Add(time.Hour-time.Millisecond), answers[:1])
	},
	"subscribed_state": func() []byte { return protocol.Subscribed(8, stateAnswers) },
	"state": func() []byte {
		return protocol.State("prices", []session.Change{
			{Op: broker.OpSet, Key: "ACME", Version: 17, Data: []byte(`{"px":1.50}`), Encoding: push.EncodingJSON},
			{Op: broker.OpDelete, Key: "X"},
			{Op: broker.OpAppend, Key: "a", Start: 12, Version: 18, Data: []byte("more")},
		}, stateCursor)
	},
	"state_snapshot": func() []byte {
		return protocol.State("prices", []session.Change{
			{Op: broker.OpSet, Key: "from another epoch", Data: []byte("hello")},
			{Op: broker.OpSet, Key: "bytes", Version: 1, Data: []byte{0, 1, 254, 255}, Encoding: push.EncodingBinary},
			{Op: broker.OpSet, Key: "null", Version: broker.MaxOffset, Data: []byte("null"), Encoding: push.EncodingJSON},
			{Op: broker.OpSet, Key: "empty", Version: 2, Data: []byte{}},
		}, "")
	},
	"state_hard_text": func() []byte {
		return protocol.State("__proto__", []session.Change{
			{Op: broker.OpSet, Key: "__proto__", Version: 3, Data: []byte("line\r\ndata: x\u2028\x00")},
			{Op: broker.OpAppend, Key: "\"😀\\", Version: 4, Data: []byte("😀")},
			{Op: broker.OpDelete, Key: "constructor"},
		}, "")
	},
	"state_nothing": func() []byte { return protocol.State("prices", nil, stateCursor) },
	"synced":        func() []byte { return protocol.Synced("prices", position.Epoch, stateCursor) },
	"reset":         func() []byte { return protocol.Reset("prices", broker.GapEpoch, position.Epoch) },
	"message":       func() []byte { return protocol.Message(message(nil), at) },
	"message_full": func() []byte {
		return protocol.Message(message(func(m *push.Message) { m.Event, m.Key = "created", "42" }), at)
	},
	"message_named": func() []byte {
		return protocol.Message(message(func(m *push.Message) { m.Named, m.TellTime = true, true }), at)
	},
	"message_json": func() []byte {
		return protocol.Message(message(func(m *push.Message) {
			m.Data, m.Encoding = []byte(`{"px":1.50,"at":[1,{"":null}],"text":"a\u2028"}`), push.EncodingJSON
		}), at)
	},
	"message_json_null": func() []byte {
		return protocol.Message(message(func(m *push.Message) { m.Data, m.Encoding = []byte("null"), push.EncodingJSON }), at)
	},
	"reply_json": func() []byte {
		return protocol.Reply(3, push.Reply{Data: []byte(`{"stored":true}`), Encoding: push.EncodingJSON})
	},
	"message_binary": func() []byte {
		return protocol.Message(message(func(m *push.Message) { m.Data, m.Encoding = []byte{0, 1, 254, 255}, push.EncodingBinary }), at)
	},
	"message_empty": func() []byte { return protocol.Message(message(func(m *push.Message) { m.Data = nil }), at) },
	"message_hard_text": func() []byte {
		return protocol.Message(message(func(m *push.Message) {
			m.Data = []byte("\ufeffline\nline\rline\r\n\ndata: x\nid: y\n:c\u2028\u2029<b>&\"\\\x00😀")
		}), at)
	},
	"message_without_position": func() []byte {
		return protocol.Message(message(func(m *push.Message) { m.Position, m.PreviousTag, m.Time = broker.Position{}, 0, time.Time{} }), "")
	},
	"message_topic_proto": func() []byte {
		return protocol.Message(message(func(m *push.Message) { m.Topic = "__proto__" }), at)
	},
	"message_last_offset": func() []byte {
		return protocol.Message(message(func(m *push.Message) { m.Offset = broker.MaxOffset }), at)
	},
	"gap": func() []byte {
		now := position
		now.Offset = 2041
		return protocol.Gap(broker.Gap{Topic: "orders/42", Reason: broker.GapTrimmed, Last: position, Now: now}, cursor.Format("orders/42", now))
	},
	"gap_unknown_cursor": func() []byte {
		return protocol.Gap(broker.Gap{Topic: "orders/42", Reason: broker.GapUnknownCursor, Now: position}, at)
	},
	"subscribed": func() []byte { return protocol.Subscribed(1, answers) },
	"subscribed_too_fast": func() []byte {
		err := &push.Error{Code: push.CodeRateLimited, Reason: "too many new topics in too short a time", After: 1500*time.Millisecond + 1}
		return protocol.Subscribed(1, []session.Followed{{Topic: "orders/42", Err: err}})
	},
	"subscribed_recent": func() []byte {
		return protocol.Subscribed(7, []session.Followed{{Topic: "orders/42", From: session.FromRecent, Cursor: at}})
	},
	"unsubscribed": func() []byte { return protocol.Unsubscribed(2, []string{"orders/42"}) },
	"reply":        func() []byte { return protocol.Reply(3, push.Reply{Data: []byte("stored")}) },
	"reply_binary": func() []byte { return protocol.Reply(3, push.Reply{Data: []byte{255}, Encoding: push.EncodingBinary}) },
	"reply_empty":  func() []byte { return protocol.Reply(3, push.Reply{}) },
	"error":        func() []byte { return protocol.Error(push.NewError(push.CodeSlowConsumer, "", nil)) },
	"error_of_request": func() []byte {
		return protocol.RequestError(3, push.NewError(push.CodeForbidden, "you may not write here", nil))
	},
	"ping":      protocol.Ping,
	"pong":      protocol.Pong,
	"reconnect": func() []byte { return protocol.Reconnect(350) },
}

func TestServerFramesAreGolden(t *testing.T) {
	for name, frame := range serverFrames {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "server", name+".json")
			var got []byte
			synctest.Test(t, func(*testing.T) { got = append(frame(), '\n') })
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %swant %s", got, want)
			}
			if bytes.Count(got, []byte("\n")) != 1 || bytes.Contains(got, []byte("\r")) {
				t.Error("a frame is not on one line")
			}
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "server", "*.json"))
	if err != nil || len(files) != len(serverFrames)+len(olderFrames) {
		t.Errorf("%d golden files for %d frames, %v", len(files), len(serverFrames), err)
	}
}

// clientFrames are what the golden files of client frames mean.
var clientFrames = map[string]protocol.Request{
	"subscribe": {Type: "subscribe", ID: 1, Follows: []session.Follow{
		{Topic: "orders/42", Since: "1AAECAwQFn4psIdDktzUBAgMEBw"}, {Topic: "orders/43"},
	}},
	"subscribe_recent": {Type: "subscribe", ID: 7, Follows: []session.Follow{
		{Topic: "orders/42", Since: "1AAECAwQFn4psIdDktzUBAgMEBw", Recent: 50}, {Topic: "orders/43", Recent: 1<<31 - 1},
	}},
	"subscribe_state": {Type: "subscribe", ID: 8, Follows: []session.Follow{
		{Topic: "prices", State: true}, {Topic: "flags", State: true, Since: "1AAECAwQFn4psIdDktzUBAgMEBw"}, {Topic: "orders/42"},
	}},
	"unsubscribe": {Type: "unsubscribe", ID: 2, Topics: []string{"orders/42"}},
	"send": {
		Type: "send", ID: 3, Topic: "orders/42", Event: "typing",
		Message: "0199a1b2-0000-7000-8000-000000000001", Data: []byte("hello"),
	},
	"send_binary":    {Type: "send", ID: 4, Topic: "orders/42", Data: []byte{0, 1, 254, 255}, Encoding: push.EncodingBinary},
	"send_json":      {Type: "send", ID: 5, Topic: "orders/42", Data: []byte(`{"deep":[[[{"x":1.50}]]],"type":"ping"}`), Encoding: push.EncodingJSON},
	"send_json_null": {Type: "send", ID: 6, Topic: "orders/42", Data: []byte("null"), Encoding: push.EncodingJSON},
	"send_minimal":   {Type: "send", ID: protocol.MaxRequestID, Topic: "a", Data: []byte("")},
	"ping":           {Type: "ping"},
	"pong":           {Type: "pong"},
}

func TestClientFramesAreRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "client", "*.json"))
	if err != nil || len(files) != len(clientFrames) {
		t.Errorf("%d golden files for %d frames, %v", len(files), len(clientFrames), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			frame, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := protocol.ParseRequest(frame)
			if err != nil || !reflect.DeepEqual(got, clientFrames[name]) {
				t.Errorf("got %+v, %v; want %+v", got, err, clientFrames[name])
			}
		})
	}
}
