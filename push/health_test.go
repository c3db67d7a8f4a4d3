package push_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// ill is a broker that says how it is, after a while.
type ill struct {
	*membroker.Broker
	asked atomic.Int32
	takes atomic.Int64
	err   atomic.Pointer[error]
}

func (b *ill) Health(ctx context.Context) error {
	b.asked.Add(1)
	select {
	case <-time.After(time.Duration(b.takes.Load())): //clock:virtual
	case <-ctx.Done():
		return push.AsError(ctx.Err())
	}
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (b *ill) fail(err error) { b.err.Store(&err) }

func TestHealthSaysSinceWhenTheBrokerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &ill{Broker: membroker.New()}
		hub := push.New(b, push.Options{})
		defer shutdown(t, hub)
		if h := hub.Health(t.Context()); h.Ready() != nil || h.Live() != nil || !h.BrokerSince.IsZero() {
			t.Errorf("a healthy hub is %+v", h)
		}
		b.fail(push.CodeUnavailable)
		if h := hub.Health(t.Context()); h.Ready() != nil {
			t.Errorf("a second isn't over, and the broker is asked again: %+v", h)
		}
		time.Sleep(2 * time.Second)
		since := time.Now()
		for range 3 {
			h := hub.Health(t.Context())
			if !errors.Is(h.Ready(), push.CodeUnavailable) || h.Live() != nil || !h.BrokerSince.Equal(since) {
				t.Errorf("%+v, ready: %v, live: %v", h, h.Ready(), h.Live())
			}
			time.Sleep(time.Minute)
		}
		b.fail(nil)
		if h := hub.Health(t.Context()); h.Ready() != nil || !h.BrokerSince.IsZero() {
			t.Errorf("a hub that has recovered is %+v", h)
		}
	})
}

func TestHealthAsksOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &ill{Broker: membroker.New()}
		b.takes.Store(int64(100 * time.Millisecond))
		hub := push.New(b, push.Options{})
		defer shutdown(t, hub)
		for range 100 {
			go hub.Health(t.Context())
		}
		time.Sleep(time.Second)
		if n := b.asked.Load(); n != 1 {
			t.Errorf("the broker was asked %d times", n)
		}
	})
}

// TestHealthDoesNotWaitForAFrozenBroker: it waits as long as its context, and then says that
// there is no answer.
func TestHealthDoesNotWaitForAFrozenBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &ill{Broker: membroker.New()}
		b.takes.Store(int64(time.Hour))
		hub := push.New(b, push.Options{})
		defer shutdown(t, hub)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		if h := hub.Health(ended); h.Broker != nil || time.Since(begun) > 0 {
			t.Errorf("after %v: %+v", time.Since(begun), h)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
		defer cancel()
		if h := hub.Health(ctx); !errors.Is(h.Ready(), push.CodeUnavailable) || !h.BrokerSince.Equal(begun) {
			t.Errorf("after %v: %+v", time.Since(begun), h)
		}
		if h := hub.Health(t.Context()); !errors.Is(h.Broker, push.CodeTimeout) || time.Since(begun) != 3*time.Second {
			t.Errorf("after %v: %+v", time.Since(begun), h)
		}
	})
}

func TestHealthOfADrainingHub(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{})
	hub.Drain()
	if h := hub.Health(t.Context()); !errors.Is(h.Ready(), push.CodeDraining) || h.Live() != nil {
		t.Errorf("%+v", h)
	}
	shutdown(t, hub)
}

func TestHealthOfAFullHub(t *testing.T) {
	for _, test := range []struct {
		used  int64
		ready bool
	}{{0, true}, {75, true}, {76, false}} {
		h := push.Health{Memory: test.used, MemoryLimit: 100}
		if ready := h.Ready() == nil; ready != test.ready || h.Live() != nil {
			t.Errorf("with %d%% used ready is %v", test.used, ready)
		}
	}
}
