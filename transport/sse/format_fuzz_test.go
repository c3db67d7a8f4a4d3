package sse_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/sse"
)

// received is an event as a browser raises it.
type received struct{ name, id, data string }

// interpret reads an event stream to its end as the standard says (WHATWG HTML,
// "Interpreting an event stream"), and knows nothing of what we write.
func interpret(stream string) (events []received, retry string) {
	stream = strings.TrimPrefix(stream, "\ufeff")
	stream = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
	lines := strings.Split(stream, "\n")
	var e received
	var data strings.Builder
	for _, line := range lines[:len(lines)-1] { // what has no end isn't a line
		if line == "" {
			if data.Len() > 0 {
				e.data = strings.TrimSuffix(data.String(), "\n")
				events = append(events, e)
			}
			e.name, e.data = "", ""
			data.Reset()
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			data.WriteString(value + "\n")
		case "id":
			if !strings.Contains(value, "\x00") {
				e.id = value
			}
		case "retry":
			retry = value
		}
	}
	return events, retry
}

// evilTexts are what would become a field, an event or an end of line where it isn't written
// with care.
var evilTexts = []string{
	"", "created", "a\nb", "a\rb", "a\r\nb", "\n\n", "\r", "a\x00b", " a", "\ufeffa", "a\u2028b", "a\u2029b", "a\u0085b", "\xff", "\xe2\x80",
	"x\nid: 1\n\ndata: forged\n\n", "x\rdata: forged\r\r", "data: a\n\n", ":comment", "retry: 1", "event: e", "a:b", "\x1b[31m", `"}`, `\`, "\v\f\x1c",
}

var position = broker.Position{Epoch: 1, Offset: 2, Tag: 3}

// checkEvent fails unless a message's bytes are read as one event that has its cursor, its
// name, and this data, and leave the event alone that follows.
func checkEvent(t *testing.T, m *push.Message, stream, data string) {
	t.Helper()
	if _, retry := interpret(stream); retry != "" {
		t.Fatalf("%q sets retry", stream)
	}
	events, _ := interpret(stream + "data: next\n\n")
	cursor := cursor.Format(m.Topic, m.Position)
	if len(events) != 2 || events[1] != (received{"", cursor, "next"}) || events[0].id != cursor || events[0].data != data {
		t.Fatalf("%q is read as %q, not as %q", stream, events, data)
	}
	if name := events[0].name; name != m.Event && (name != "" || !strings.ContainsAny(m.Event, "\r\n")) {
		t.Errorf("the event %q is named %q", m.Event, name)
	}
}

// FuzzEvent encodes messages that no broker would hand out, since a message is checked
// when it is published: nothing in one may become an event, an id or a field of its
// own, and what is in it must arrive.
func FuzzEvent(f *testing.F) {
	for _, evil := range evilTexts {
		f.Add("a", "i", evil, "k", []byte("x"), false)
		f.Add("a", "i", "e", evil, []byte(evil), false)
		f.Add(evil, evil, "e", "k", []byte(evil), true)
	}
	transport := sse.New(push.New(membroker.New(), push.Options{}))
	f.Fuzz(func(t *testing.T, topic, id, event, key string, data []byte, binary bool) {
		encoding := push.EncodingText
		if binary {
			encoding = push.EncodingBinary
		}
		m := &push.Message{ID: id, Topic: topic, Event: event, Key: key, Data: data, Encoding: encoding, Named: true, Position: position}
		stream := string(transport.Message(m).Bytes)
		frame := string(protocol.Message(m, protocol.Cursor(m)))
		checkEvent(t, m, stream, frame)
		var got struct{ Type, Topic, ID, Event, Key, Data string }
		if err := json.Unmarshal([]byte(frame), &got); err != nil {
			t.Fatalf("%q: %v", frame, err)
		}
		if !utf8.Valid(data) && !binary {
			got.Data, data = "", nil // each byte that isn't UTF-8 is one replacement character
		}
		want := string(data)
		if binary {
			want = base64.StdEncoding.EncodeToString(data)
		}
		if got.Data != want || utf8.ValidString(topic+"|"+id+"|"+event+"|"+key) && (got.Topic != topic || got.ID != id || got.Event != event || got.Key != key) {
			t.Errorf("%+v became %+v", m, got)
		}
	})
}
