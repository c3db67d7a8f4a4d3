package redisbroker

import (
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// published is the text that the publish script makes of a message.
func published(m *push.Message) string {
	body := string(encodeBody(m))
	if m.Op != broker.OpPublish {
		body = changeBody(m)
	}
	return strings.Join([]string{
		m.Epoch.String(), strconv.FormatUint(m.Offset, 10), formatTag(m.Tag), formatTag(m.PreviousTag),
		strconv.FormatInt(m.Time.UnixMilli(), 10), body,
	}, " ")
}

// changeBody is what the script makes of a change.
func changeBody(m *push.Message) string {
	start, rest := encodeChange(m)
	if m.Op == broker.OpAppend {
		start = fmt.Appendf(start, "%08x", m.Start)
	}
	return string(start) + string(rest) + string(m.Data)
}

// FuzzParsePublished reads what anybody may have written to a channel. What is taken
// must be a message that a publisher could have published, and come back the same.
func FuzzParsePublished(f *testing.F) {
	position := broker.Position{Epoch: 1, Offset: 2, Tag: 3}
	for _, m := range []push.Message{
		{ID: "id", Topic: "a", Event: "event", Key: "key", Data: []byte("text"), Position: position, PreviousTag: 4},
		{ID: "id", Topic: "a", Data: []byte(`{"a":[1.50,"\u2028"]}`), Encoding: push.EncodingJSON, Named: true, Position: position},
		{ID: "id", Topic: "a", Data: []byte("x"), Header: map[string]string{"traceparent": "00-1-2-01", "": "\xff\x00"}, Named: true, Position: position},
		{ID: "id", Topic: "a", Data: []byte("x"), Header: map[string]string{"large": strings.Repeat("x", 1019)}, Position: position},
		{ID: "id", Topic: "a", Data: []byte{0xff, 0, ' '}, Encoding: push.EncodingBinary, Position: position, Time: time.UnixMilli(5)},
		{ID: "id", Topic: "a", Key: "k", Op: broker.OpSet, Data: []byte("{}"), Encoding: push.EncodingJSON, Named: true, TTL: time.Hour, Position: position},
		{ID: "id", Topic: "a", Key: "k", Op: broker.OpAppend, Data: []byte("x"), Start: 1 << 18, Header: map[string]string{"a": "b"}, Position: position},
		{ID: "id", Topic: "a", Key: "k", Op: broker.OpDelete, Position: position},
	} {
		f.Add(published(&m))
	}
	for _, body := range []string{
		"\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",              // a length of 2^64-1
		"\x02\x03\x01i\x00\x00x",                                        // no such encoding
		"\x02\x10\x01i\x00\x00x",                                        // no such flag
		"\x02\x08\x01i\x00\x00\x00x",                                    // a header of nothing
		"\x02\x08\x01i\x00\x00\x05\x01a\x01b",                           // of less than it says
		"\x02\x08\x01i\x00\x00\xff\x7f" + strings.Repeat("\x00", 1<<14), // of very many names
		"\x02\x08\x01i\x00\x00\x02\x01a\x01b\x01a\x01cx",                // a name twice
		"\x02\x01\x01i\x00\x00{ \"a\" : 1 }",                            // JSON with white space
		"\x02\x01\x01i\x00\x00" + strings.Repeat("[", 61) + strings.Repeat("]", 61),
		"\x01\x00\x01i\x00\x00x",                                              // of an older version
		"\x02\x10",                                                            // a change of nothing
		"\x02\x10\x00\x00\x01i\x00\x01kx",                                     // no change
		"\x02\x10\x04\x00\x01i\x00\x01k",                                      // a touch
		"\x02\x10\x05\x00\x01i\x00\x01k",                                      // no such change
		"\x02\x10\x01\x00\x01i\x00\x00x",                                      // of no key
		"\x02\x10\x01\x00\x01i\x01e\x01kx",                                    // with an event
		"\x02\x10\x03\x00\x01i\x00\x01kx",                                     // a delete with data
		"\x02\x11\x02000000ff\x00\x01i\x00\x01k1",                             // JSON that is appended
		"\x02\x10\x02000000FF\x00\x01i\x00\x01kx",                             // capitals
		"\x02\x10\x02ffffffff\x00\x01i\x00\x01kx",                             // a start of 2^32-1
		"\x02\x10\x020000\x00\x01i\x00\x01kx",                                 // half a start
		"\x02\x10\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01i\x00\x01kx", // a time of 2^64-1
	} {
		f.Add("0000000000000001 2 00000003 00000004 0 " + body)
	}
	f.Add("0000000000000001 9007199254740993 00000003 00000004 -1 \x02\x00\x01i\x00\x00x")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parsePublished("a", text)
		if err != nil {
			return
		}
		copied := *m
		if err := copied.Prepare(len(m.Data)); err != nil {
			t.Errorf("took what can't be published: %v", err)
		}
		again, err := parsePublished("a", published(m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v came back as %+v, %v", m, again, err)
		}
	})
}

// TestForeignBodyCostsNoMoreThanItself: however much a body says that it has, what is
// allocated for it is within what it is.
func TestForeignBodyCostsNoMoreThanItself(t *testing.T) {
	const size = 16 << 10
	for name, body := range map[string]string{
		"a length of 2^64-1":    "\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"a long ID":             "\x02\x00\xff\xff\x01",
		"very many empty names": "\x02\x08\x01i\x00\x00\xff\x7f" + strings.Repeat("\x00", size),
		"very many names":       "\x02\x08\x01i\x00\x00\xff\x3f" + strings.Repeat("\x01a\x00", size/3),
		"a change of nothing":   "\x02\x10\x02",
		"a header too large":    "\x02\x08\x01i\x00\x00\x01\x01a\x80\x08" + strings.Repeat("x", size),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 100 {
			_ = decodeBody(&push.Message{Topic: "a"}, body)
		}
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / 100; got > 4*size {
			t.Errorf("%s: %d bytes are allocated", name, got)
		}
	}
}
