package sse_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/transporttest"
)

func TestTransportRaw(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Patient: patientTransport, Dial: transporttest.DialRaw, Raw: true})
}

func TestTransportRawByPost(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		New: newTransport, Patient: patientTransport, Dial: transporttest.DialRawByPost, Raw: true, ByPost: true,
	})
}

// TestRawEvents has each payload on the wire, byte by byte.
func TestRawEvents(t *testing.T) {
	hub, server := serve(t, sse.Options{}, nil)
	lines := bufio.NewReader(get(t, server, http.MethodGet, "?topic=a&format=raw", nil).Body)
	if welcome := event(t, lines); !strings.Contains(welcome, "\nevent: tidewire.welcome\ndata: {\"type\":\"welcome\",") {
		t.Errorf("welcome is %q", welcome)
	}
	tests := []struct {
		name    string
		message push.Message
		want    string
	}{
		{"a fragment", push.Message{Event: "line", ID: "i", Key: "k", Data: []byte("<li>\n  hi\n</li>")}, "event: line\ndata: <li>\ndata:   hi\ndata: </li>\n"},
		{"every line break", push.Message{Data: []byte("a\nb\rc\r\nd\n\re\r\n")}, "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\ndata: \n"},
		{"nothing", push.Message{Data: nil}, "data: \n"},
		{"fields", push.Message{Data: []byte("data: a\nid: b\n\nevent: c\nretry: 1\n:")}, "data: data: a\ndata: id: b\ndata: \ndata: event: c\ndata: retry: 1\ndata: :\n"},
		{"leading space, byte order mark, NUL", push.Message{Data: []byte(" a\n\ufeffb\n\x00")}, "data:  a\ndata: \ufeffb\ndata: \x00\n"},
		{"what isn't a line break", push.Message{Data: []byte("a\u2028b\u0085c\vd\fe")}, "data: a\u2028b\u0085c\vd\fe\n"},
		{"JSON", push.Message{Encoding: push.EncodingJSON, Data: []byte("{\n \"a\": \"\\n\"\n}")}, "data: {\"a\":\"\\n\"}\n"},
		{"binary", push.Message{Encoding: push.EncodingBinary, Data: []byte{0, '\n', 255}}, "data: AAr/\n"},
	}
	for _, test := range tests {
		test.message.Topic = "a"
		receipt, err := hub.Publish(t.Context(), test.message)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := event(t, lines), "id: "+cursor.Format("a", receipt.Position)+"\n"+test.want; got != want {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
	}
}

// TestFormatsShareATopic has clients of both formats on one topic, of which one follows
// another topic, too: each reads its own, and the cursor of one works for the other.
func TestFormatsShareATopic(t *testing.T) {
	hub, server := serve(t, sse.Options{}, nil)
	framed := bufio.NewReader(get(t, server, http.MethodGet, "?topic=a", nil).Body)
	raw := bufio.NewReader(get(t, server, http.MethodGet, "?topic=a&format=raw", nil).Body)
	both := bufio.NewReader(get(t, server, http.MethodGet, "?topic=b&topic=a&format=raw", nil).Body)
	event(t, framed)
	event(t, raw)
	other, _, _ := strings.Cut(event(t, both), ".") // the id is of b, and then of a
	var ids []string
	for _, data := range []string{"<p>1", "<p>2", "<p>3"} {
		receipt, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		at := cursor.Format("a", receipt.Position)
		ids = append(ids, at)
		if got := event(t, framed); !strings.HasPrefix(got, "id: "+at+"\ndata: {") {
			t.Errorf("a frame is %q", got)
		}
		if got, want := event(t, raw), "id: "+at+"\ndata: "+data+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := event(t, both), other+"."+at+"\ndata: "+data+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, query := range []string{"?topic=a&format=raw", "?topic=a&format=raw&since=" + ids[2]} {
		again := bufio.NewReader(get(t, server, http.MethodGet, query, map[string]string{"Last-Event-ID": ids[0]}).Body)
		event(t, again)
		for i, data := range []string{"<p>2", "<p>3"} {
			if got, want := event(t, again), "id: "+ids[i+1]+"\ndata: "+data+"\n"; got != want {
				t.Errorf("%s: got %q, want %q", query, got, want)
			}
		}
	}
	// A gap is an event of its own in this format, too.
	lost := bufio.NewReader(get(t, server, http.MethodGet, "?topic=a&format=raw", map[string]string{"Last-Event-ID": "garbage"}).Body)
	event(t, lost)
	if got := event(t, lost); !strings.HasPrefix(got, "id: "+ids[2]+"\nevent: tidewire.gap\ndata: {\"type\":\"gap\",") {
		t.Errorf("got %q, want a gap", got)
	}
}

func TestFormatIsRawOrAbsent(t *testing.T) {
	_, server := serve(t, sse.Options{}, nil)
	for query, want := range map[string]int{
		"?topic=a&format=raw":            200,
		"?topic=a&%66orm%61t=r%61w":      200,
		"?topic=a&Format=json":           200, // an application's own
		"?topic=a&format=":               400,
		"?topic=a&format":                400,
		"?topic=a&format=json":           400,
		"?topic=a&format=RAW":            400,
		"?topic=a&format=raw&format=raw": 400,
		"?format=raw":                    400, // no topic
		"?state=a":                       200,
		"?state=a&format=raw":            400,
		"?topic=b&state=a&format=raw":    400,
	} {
		response := get(t, server, http.MethodHead, query, nil)
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", query, response.StatusCode, want)
		}
	}
	body, err := io.ReadAll(get(t, server, http.MethodGet, "?topic=a&format=json", nil).Body)
	var refusal struct{ Code, Reason string }
	if err != nil || json.Unmarshal(body, &refusal) != nil || refusal.Code != "bad_request" || !strings.Contains(refusal.Reason, "format=raw") {
		t.Errorf("refused with %s, %v", body, err)
	}
}

// FuzzRawEvent is FuzzEvent for events whose data is the payload: what a parser reads back
// is the payload, with each of its line breaks as LF.
func FuzzRawEvent(f *testing.F) {
	for _, evil := range evilTexts {
		f.Add(evil, []byte(evil), uint8(push.EncodingText))
		f.Add("e", []byte(evil), uint8(push.EncodingBinary))
		f.Add("", []byte(evil), uint8(push.EncodingJSON))
	}
	transport := sse.New(push.New(membroker.New(), push.Options{}))
	f.Fuzz(func(t *testing.T, event string, data []byte, encoding uint8) {
		m := &push.Message{ID: "i", Topic: "a", Event: event, Key: "k", Data: data, Encoding: push.Encoding(encoding % 3), Position: position}
		stream := string(sse.Raw(transport).Message(m).Bytes)
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
		if m.Encoding == push.EncodingBinary {
			want = base64.StdEncoding.EncodeToString(data)
		}
		checkEvent(t, m, stream, want)
	})
}

func BenchmarkRawMessage(b *testing.B) {
	m := &push.Message{Topic: "a", Event: "line", Position: position, Data: []byte(strings.Repeat("<li>\n  <b>somebody</b> says hello\n</li>\n", 10))}
	format := sse.Raw(sse.New(push.New(membroker.New(), push.Options{})))
	b.ReportAllocs()
	for b.Loop() {
		format.Message(m)
	}
}
