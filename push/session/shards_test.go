package session_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestShardsFollowTheProcessors: new sessions are spread evenly over as many shards as Go
// uses processors at that moment. Those that are there stay where they are, and all get
// everything once and in order.
func TestShardsFollowTheProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	synctest.Test(t, func(t *testing.T) {
		const each = 4
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		shards := map[*session.Session]int{}
		conns := map[*socketConn]int{} // and which message is its first
		for n, processors := range []int{2, 5, 1, 3, 2, 7} {
			runtime.GOMAXPROCS(processors)
			opened := map[int]int{} // by shard
			for range each * processors {
				c := newSocket(1000)
				s := w.openSocket(c)
				w.subscribe(s, "", "a")
				conns[c], shards[s] = n, s.Shard()
				opened[s.Shard()]++
			}
			want := map[int]int{}
			for shard := range processors {
				want[shard] = each
			}
			if !maps.Equal(opened, want) {
				t.Errorf("on %d processors new sessions by shard are %v, want %v", processors, opened, want)
			}
			w.publish("a", fmt.Sprint(n))
			synctest.Wait()
		}
		for s, shard := range shards {
			if s.Shard() != shard {
				t.Errorf("a session went from shard %d to %d", shard, s.Shard())
			}
		}
		for c, first := range conns {
			if got := c.take(); got != numbers("hello", first, 5) {
				t.Errorf("a client from step %d got %s", first, got)
			}
		}
	})
}

// TestShardsGrowUnderLoad opens sessions from many goroutines while the processors change
// and messages flow: nobody misses or repeats one. Shutdown finds all shards.
func TestShardsGrowUnderLoad(t *testing.T) {
	const clients, messages = 8, 400
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	w := newWorld(t, nil, push.Options{QueueMessages: 2 * messages})
	since := w.cursor("a")
	var mu sync.Mutex
	var conns []*socketConn
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			for range 10 {
				c := newSocket(2 * messages)
				w.subscribe(w.openSocket(c), since, "a")
				mu.Lock()
				conns = append(conns, c)
				mu.Unlock()
			}
		})
	}
	wait.Go(func() {
		for i := range messages {
			if i%20 == 0 {
				runtime.GOMAXPROCS(1 + i/20)
			}
			w.publish("a", fmt.Sprint("m", i))
		}
	})
	wait.Wait()
	testaid.Eventually(t, "all clients have everything", func() bool {
		return !slices.ContainsFunc(conns, func(c *socketConn) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.got) < 1+messages
		})
	})
	w.shutdown()
	want := "[hello " + numbered(messages) + " reconnect]"
	for _, c := range conns {
		if got := c.take(); got != want {
			t.Fatalf("a client got %d of %d messages: %s", strings.Count(got, "m"), messages, got)
		}
	}
	if !slices.ContainsFunc(conns, func(c *socketConn) bool { return len(c.tries) > 0 }) {
		t.Error("no shard wrote to any client")
	}
}
