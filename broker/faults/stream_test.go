package faults_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/transport/client"
)

var tokens = flag.Int("tokens", 500, "how many tokens TestStreamReachesAllReaders writes, a hundred a second")

// TestStreamReachesAllReaders: a text that an instance writes, long after the request that began it, reaches readers of two
// others whole: those that stay, one that comes back again and again over another transport, those of an instance that is
// killed, and one that comes late, to which it is one change. When the producer's process is killed, readers see the status
// go, and keep the text.
func TestStreamReachesAllReaders(t *testing.T) {
	t.Parallel()
	const topic, text, status = "state/answer", "text", "text.status"
	server := startServer(t)
	producer, a, b := startChild(t, server), startChild(t, server), startChild(t, server)
	whole := textOf(*tokens)
	newTextReader := func() *reader {
		r := newReader(t, topic)
		r.Judge = func(key string, before, now []byte) string {
			if key == text && (!strings.HasPrefix(whole, string(now)) || len(now) < len(before)) {
				return fmt.Sprintf("%d bytes, ending with %.30q, came after %d", len(now), now[max(0, len(now)-30):], len(before))
			}
			return ""
		}
		return r
	}
	producer.post("/produce", url.Values{"topic": {topic}, "key": {text}, "tokens": {strconv.Itoa(*tokens)}})
	begin := time.Now()
	var readers []*reader
	for _, on := range []*child{a, b} {
		for _, w := range ways {
			r := newTextReader()
			r.to(w, on.url)
			readers = append(readers, r)
		}
	}
	mirrors := []*client.State{mirrorAt(t, a.url, topic), mirrorAt(t, b.url, topic)}
	hopping := newTextReader()
	readers = append(readers, hopping)

	length := func() int {
		value, _ := readers[3].Get(text) // of b, by a WebSocket
		return len(value)
	}
	reach := func(share float64) {
		t.Helper()
		await(t, fmt.Sprintf("%.0f %% of the text", 100*share), func() bool { return float64(length()) >= share*float64(len(whole)) })
	}
	const hops, killedAt = 5, 3
	for hop := range hops {
		on := []*child{a, b}[hop%2]
		hopping.to(ways[hop%len(ways)], on.url)
		reach((float64(hop) + rand.Float64()) / hops)
		hopping.stop()
		if hop == killedAt {
			a.kill()
			reach(float64(hop+1) / hops)
			a.start()
		}
	}
	hopping.to(webSocket, b.url)
	late := newTextReader()
	var pieces atomic.Int32
	judge := late.Judge
	late.Judge = func(key string, before, now []byte) string {
		if key == text && len(before) == 0 {
			pieces.Add(1)
		}
		return judge(key, before, now)
	}
	reach(0.9)
	missed := length()
	late.to(eventStream, b.url)
	await(t, "a reader that comes late", late.Complete)
	if got, _ := late.Get(text); len(got) < missed || pieces.Load() != 1 || late.Figures().Sets > 3 {
		t.Errorf("it got %d bytes of the %d that there were; %d pieces, %+v", len(got), missed, pieces.Load(), late.Figures())
	}
	readers = append(readers, late)

	for i, r := range readers {
		await(t, fmt.Sprint("the end at reader ", i), func() bool { got, _ := r.Get(status); return got == `{"state":"done"}` })
		if got, _ := r.Get(text); got != whole {
			t.Errorf("reader %d has %d bytes, want %d", i, len(got), len(whole))
		}
	}
	for i, m := range mirrors {
		await(t, fmt.Sprint("the end at client ", i), func() bool { got, _ := m.Get(status); return string(got.Data) == `{"state":"done"}` })
		if got, _ := m.Get(text); string(got.Data) != whole {
			t.Errorf("client %d has %d bytes, want %d", i, len(got.Data), len(whole))
		}
	}
	f := readers[3].Figures()
	t.Logf("%d tokens, %d bytes in %v: a reader that stays got %d appends, one that was away %d times %d appends and %d sets", *tokens, len(whole),
		time.Since(begin).Round(time.Millisecond), f.Appends, hops, hopping.Figures().Appends, hopping.Figures().Sets) //clock:real it is only told

	producer.post("/produce", url.Values{"topic": {topic}, "key": {"second"}, "tokens": {"100000"}})
	for _, r := range readers {
		await(t, "some text", func() bool { got, _ := r.Get("second"); return len(got) > 1000 })
	}
	producer.kill()
	begin = time.Now()
	for i, r := range readers {
		await(t, fmt.Sprint("the end of a stream without a producer, at reader ", i), func() bool { _, open := r.Get("second.status"); return !open })
		if got, _ := r.Get("second"); got != textOf(strings.Count(got, ",")) || got == "" {
			t.Errorf("reader %d has %d bytes of a text that broke off, which end with %.20q", i, len(got), got[max(0, len(got)-20):])
		}
	}
	t.Logf("all readers knew %v after the producer was killed", time.Since(begin).Round(time.Millisecond)) //clock:real it is only told
	within(t, "the end of a stream whose producer was killed", 12*time.Second, begin)
	var lengths []int
	for _, r := range readers {
		got, _ := r.Get("second")
		lengths = append(lengths, len(got))
		if len(got) != lengths[0] {
			t.Errorf("readers have texts of %v bytes", lengths)
		}
	}
}
