package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

// TestShardThatStandsStillIsFatal: a hub whose shard is in one round for half a minute isn't
// live, and one whose shards go on is.
func TestShardThatStandsStillIsFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := newSocket(1 << 20)
		w.subscribe(w.openSocket(c), "", "a")
		for range 10 {
			synctest.Wait()
			if h := w.hub.Health(t.Context()); h.Live() != nil {
				t.Fatalf("a hub that goes on is %+v", h)
			}
			w.publish("a", "x")
			time.Sleep(29 * time.Second)
		}
		gate := make(chan struct{})
		c.mu.Lock()
		c.gate = gate
		c.mu.Unlock()
		w.publish("a", "x")
		synctest.Wait()
		for range 3 {
			if h := w.hub.Health(t.Context()); h.Live() != nil || h.Ready() != nil {
				t.Errorf("too soon: %+v", h)
			}
			time.Sleep(14 * time.Second)
		}
		if h := w.hub.Health(t.Context()); h.Live() == nil || h.Ready() == nil || h.Stuck < 30*time.Second {
			t.Errorf("a hub whose shard stands still is %+v", h)
		}
		close(gate)
		synctest.Wait()
		if h := w.hub.Health(t.Context()); h.Live() != nil {
			t.Errorf("a hub that has recovered is %+v", h)
		}
	})
}
