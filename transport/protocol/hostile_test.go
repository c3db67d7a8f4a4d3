package protocol_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/transport/protocol"
)

// allocated tells how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// filled is a text of size bytes that ends as it should.
func filled(begin, piece, end string, size int) []byte {
	return []byte(begin + strings.Repeat(piece, (size-len(begin)-len(end))/len(piece)) + end)
}

// TestFramesCostAboutWhatTheyAre has frames of the largest size that would be a
// hundred times as much in memory as on the wire, if all of it were taken apart.
func TestFramesCostAboutWhatTheyAre(t *testing.T) {
	const size = 64 << 10
	frames := map[string][]byte{
		"topics of nothing":          filled(`{"type":"unsubscribe","id":1,"topics":[""`, `,""`, `]}`, size),
		"empty objects":              filled(`{"type":"subscribe","id":1,"topics":[{}`, `,{}`, `]}`, size),
		"empty arrays":               filled(`{"type":"subscribe","id":1,"topics":[[]`, `,[]`, `]}`, size),
		"arrays in arrays":           filled(`{"type":"subscribe","id":1,"topics":[[0]`, `,[[0]]`, `]}`, size),
		"numbers":                    filled(`{"type":"subscribe","id":1,"topics":[0`, `,0`, `]}`, size),
		"topics":                     filled(`{"type":"subscribe","id":1,"topics":[{"topic":""}`, `,{"topic":""}`, `]}`, size),
		"fields":                     filled(`{"type":"ping"`, `,"a":0`, `}`, size),
		"depth":                      filled(`{"type":`, `[`, `0`, size),
		"a long string":              filled(`{"type":"send","id":1,"topic":"a","data":"`, `x`, `"}`, size),
		"a string of escapes":        filled(`{"type":"send","id":1,"topic":"a","data":"`, `\u0041`, `"}`, size),
		"a string without end":       filled(`{"type":"send","id":1,"topic":"a","data":"`, `x`, ``, size),
		"a long number":              filled(`{"type":"ping","id":1`, `0`, `}`, size),
		"white space":                filled(`{`, ` `, `"type":"ping"}`, size),
		"a long key":                 filled(`{"`, `k`, `":1}`, size),
		"a key of escapes":           filled(`{"`, `\u006b`, `":1}`, size),
		"words":                      filled(`{"type":"subscribe","id":1,"topics":[null`, `,null`, `]}`, size),
		"opening brackets, unclosed": bytes.Repeat([]byte(`{"a":`), size/5),
	}
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			if n := allocated(func() { _, _ = protocol.ParseRequest(frame) }); n > 1<<20 { // the race detector makes pools forget
				t.Errorf("a frame of %d bytes made %d bytes be allocated", len(frame), n)
			}
		})
	}
}

// TestQueriesCostAboutWhatTheyAre does the same for URLs, and for the bodies of POSTs.
func TestQueriesCostAboutWhatTheyAre(t *testing.T) {
	var many strings.Builder
	for i := range 10_000 {
		many.WriteString("&" + strconv.FormatInt(int64(i), 36))
	}
	queries := map[string]string{
		"10,000 names":   many.String(),
		"one name":       strings.Repeat("&a", 20_000),
		"topics":         strings.Repeat("&topic=a", 6_000),
		"states":         strings.Repeat("&state=a", 6_000),
		"no name":        strings.Repeat("&=", 20_000),
		"nothing":        strings.Repeat("&", 40_000),
		"escapes":        "topic=" + strings.Repeat("%61", 15_000),
		"a long cursor":  "topic=a&since=" + strings.Repeat("1", 40_000),
		"a megabyte":     "topic=" + strings.Repeat("a", 1<<20),
		"dots":           "topic=a&since=1" + strings.Repeat(".", 4095),
		"broken escapes": strings.Repeat("&%zz", 10_000),
		"semicolons":     strings.Repeat("a;", 20_000),
	}
	for name, query := range queries {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/?"+query, nil)
			n := allocated(func() { _, _ = protocol.Follows(r, 100) })
			if n > 2*uint64(len(query))+128<<10 {
				t.Errorf("a query of %d bytes made %d bytes be allocated", len(query), n)
			}
			posted := postOf(query)
			n = allocated(func() { _, _ = followsOf(posted, 100) })
			if n > 8*uint64(len(query))+256<<10 {
				t.Errorf("a body of %d bytes made %d bytes be allocated", len(query), n)
			}
		})
	}
}
