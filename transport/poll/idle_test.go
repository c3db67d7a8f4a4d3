package poll_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/poll"
)

// TestIdlePollsAreCheap: each has the goroutine of its handler and no other, and little
// memory beside what the HTTP server has for it.
func TestIdlePollsAreCheap(t *testing.T) {
	const polls = 1000
	hub := newHub(t)
	transport := poll.New(hub)
	ctx, leave := context.WithCancel(t.Context())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	var waiting sync.WaitGroup
	for range polls {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?topic=a", nil)
		r.RemoteAddr = "@" // a Unix socket, whose clients no address counts
		waiting.Go(func() { transport.ServeHTTP(httptest.NewRecorder(), r) })
	}
	testaid.Eventually(t, "polls that wait, by one goroutine each", func() bool {
		return hub.Stats().Sessions == polls && runtime.NumGoroutine() <= goroutines+polls
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := (after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse) / polls
	t.Logf("%d bytes for each, its request included", size)
	if size > 32<<10 {
		t.Errorf("%d bytes for each", size)
	}
	leave()
	waiting.Wait()
	if stats := hub.Stats(); stats.Sessions != 0 || stats.Memory != 0 {
		t.Errorf("left behind: %+v", stats)
	}
}
