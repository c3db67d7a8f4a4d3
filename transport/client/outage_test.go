package client

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/transport/websocket"
)

// TestOutageIsNoticedToBeOver has connections that live long enough to prove the link, each
// followed by an outage of 5 s. The backoff starts over with each, and waits no longer than
// the outage has lasted.
func TestOutageIsNoticedToBeOver(t *testing.T) {
	const lives, outage = provenAfter + time.Second, 5 * time.Second
	var mu sync.Mutex
	var back time.Time // when the server is back
	var first, longest time.Duration
	outages, failed := 0, false
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if late := time.Since(back); late < 0 {
			if !failed {
				first = max(first, late+outage)
			}
			failed = true
			panic(http.ErrAbortHandler)
		} else if !back.IsZero() {
			longest = max(longest, late)
		}
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, hello)
			time.Sleep(lives)
		})
		outages++
		back, failed = time.Now().Add(outage), false
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{Transport: WebSocket})
		time.Sleep(time.Hour)
		s.close(c)
	})
	mu.Lock()
	defer mu.Unlock()
	if outages < 100 {
		t.Errorf("only %d outages", outages)
	}
	if first > minBackoff || longest > outage+minBackoff {
		t.Errorf("the first attempt came after %v, and the server was back for %v", first, longest)
	}
}
