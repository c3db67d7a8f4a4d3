package fleet

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/klauspost/compress/flate"
)

// collector keeps what a decoder finds.
type collector struct {
	texts []string
	pings int
}

func (c *collector) text(b []byte) error {
	c.texts = append(c.texts, string(b))
	return nil
}

func (c *collector) ping([]byte) error {
	c.pings++
	return nil
}

func serverFrame(first byte, payload string) string {
	if n := len(payload); n > 125 {
		return string([]byte{first, 126, byte(n >> 8), byte(n)}) + payload
	}
	return string([]byte{first, byte(len(payload))}) + payload
}

const (
	upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
	chunked  = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	plain    = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
)

// deflate compresses messages of which each may refer to those before.
func deflate(messages ...string) (compressed []string) {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	for _, m := range messages {
		b.Reset()
		w.Write([]byte(m))
		w.Flush()
		compressed = append(compressed, string(bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))))
	}
	return compressed
}

// TestDecoder cuts each stream at every place: what is found must be the same.
func TestDecoder(t *testing.T) {
	long := string(Payload(7, 300))
	small := deflate("hello hello hello", "hello hello again")
	for name, c := range map[string]struct {
		stream string
		want   []string
		pings  int
	}{
		"frames":     {upgraded + serverFrame(finalText, "a") + serverFrame(opPing, "") + serverFrame(finalText, long), []string{"a", long}, 1},
		"fragments":  {upgraded + serverFrame(firstText, "a") + serverFrame(opPing, "x") + serverFrame(further, "b") + serverFrame(final, "c"), []string{"abc"}, 1},
		"compressed": {upgraded + serverFrame(finalText|deflated, small[0]) + serverFrame(finalText|deflated, small[1]), []string{"hello hello hello", "hello hello again"}, 0},
		"chunks":     {chunked + "8\r\ndata: a\n\r\n4\r\n\nda:\r\n6\r\n b\n\n: \r\n1\r\n\n\r\n", []string{"data: a\n\n", "da: b\n\n", ": \n"}, 0},
		"lines":      {plain + "data: a\n\ndata: b\n\n", []string{"data: a\n\ndata: b\n\n"}, 0},
	} {
		for cut := range len(c.stream) {
			var d decoder
			var got collector
			for _, part := range []string{c.stream[:cut], c.stream[cut:]} {
				if err := d.feed([]byte(part), &got); err != nil {
					t.Fatalf("%s cut at %d: %v", name, cut, err)
				}
			}
			texts := slices.Clone(got.texts)
			if d.stage != inFrames { // lines may come in any portions
				texts = []string{concat(got.texts)}
				c.want = []string{concat(c.want)}
			}
			if !slices.Equal(texts, c.want) || got.pings != c.pings {
				t.Fatalf("%s cut at %d: %q and %d pings, want %q", name, cut, texts, got.pings, c.want)
			}
		}
	}
}

func concat(parts []string) (all string) {
	for _, p := range parts {
		all += p
	}
	return all
}

func TestDecoderRefuses(t *testing.T) {
	for name, stream := range map[string]string{
		"status":    "HTTP/1.1 503 Service Unavailable\r\n\r\n",
		"goodbye":   upgraded + serverFrame(opClose, ""),
		"masked":    upgraded + "\x81\x81aaaaa",
		"binary":    upgraded + serverFrame(0x82, "a"),
		"last":      chunked + "0\r\n\r\n",
		"no number": chunked + "x\r\n",
	} {
		var d decoder
		if err := d.feed([]byte(stream), &collector{}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	var d decoder
	if err := d.feed([]byte(upgraded+serverFrame(opClose, "")), &collector{}); !errors.Is(err, errGoodbye) {
		t.Errorf("a close is %v", err)
	}
}

func TestScan(t *testing.T) {
	const size = 40
	block := "data: " + string(Payload(3, size)) + "\n\ndata: " + string(Payload(4, size)) + "\n\n"
	var got []uint32
	if !scan([]byte(block), size, func(n uint32) { got = append(got, n) }) || !slices.Equal(got, []uint32{3, 4}) {
		t.Errorf("got %v", got)
	}
	for name, broken := range map[string]string{
		"cut":     string(Payload(3, size)[:size-1]),
		"changed": string(Payload(3, size)[:size-1]) + "!",
		"letters": "seq:00000000xx" + string(Payload(3, size)[14:]),
	} {
		if scan([]byte(broken), size, func(uint32) {}) {
			t.Errorf("a payload that is %s is taken", name)
		}
	}
}

func TestHasLine(t *testing.T) {
	for text, want := range map[string]bool{
		"{}": true, "{}\n": true, "{}\n{\"a\":1}": true, "{\"a\":1}\n{}": true, "{\"a\":1}\n{}\n{\"b\":2}": true,
		"": false, "{\"a\":{}}": false, "{\"a\":1}\n {}": false, "data: {}\n\n": false,
	} {
		if hasLine([]byte(text), []byte("{}")) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

func TestCursorMovesWithMessages(t *testing.T) {
	const topic = "1abcdefghijklmnopqrst"
	m := &member{}
	v := visit{member: m}
	for _, step := range []struct{ text, want string }{
		{`{"type":"message","at":"early","data":"a"}`, ""},
		{`{"type":"welcome","topics":[{"topic":"a","cursor":"` + topic + `01"}]}`, topic + "01"},
		{`{"type":"message","at":"0002","data":"a"}`, topic + "0002"},
		{`{"type":"ping"}`, topic + "0002"},
		{"data: {\"at\":\"3\"}\n\ndata: {\"at\":\"4\"}\n\n", topic + "4"},
		{"data: {\"cursor\":\"" + topic + "5\"}\n\ndata: {\"at\":\"6\"}\n\n", topic + "6"},
		{"data: {\"at\":\"7\"}\n\ndata: {\"cursor\":\"" + topic + "8\"}\n\n", topic + "8"},
	} {
		if v.keepCursor([]byte(step.text)); string(m.cursor) != step.want {
			t.Errorf("after %s the cursor is %q, want %q", step.text, m.cursor, step.want)
		}
	}
}
