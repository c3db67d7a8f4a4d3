package push

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	drainRate    = 500                    // farewells a second
	maxComeBack  = 500 * time.Millisecond // clients return within this, at random
	abortTimeout = time.Second            // for connections that were cut
)

// ComeBack is how long a client that must leave waits until it comes back: a
// random time of up to half a second.
func ComeBack() time.Duration { return rand.N(maxComeBack) }

// Draining reports whether Shutdown has begun; a readiness probe should then
// fail.
func (h *Hub) Draining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

// Shutdown ends all that the hub has started. New clients are refused at once;
// those that are connected get what is queued for them and are asked to come
// back, one after the other (Options.DrainWindow), so that the other instances
// meet no storm. When the context ends the rest is cut. At last the broker is
// closed.
//
// After nil no goroutine or connection of the hub is left. An error is the
// context's, and means that clients were cut; they lose nothing either, since
// they come back with their cursors. Call it before http.Server.Shutdown,
// which waits for event streams to end.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.draining = true
	sessions := slices.Collect(maps.Values(h.sessions))
	h.mu.Unlock()

	for i := range h.shards {
		h.shards[i].settle()
	}
	if len(sessions) > 0 {
		interval := min(time.Second/drainRate, h.options.DrainWindow/time.Duration(len(sessions)))
		h.farewell(ctx, sessions, interval)
	}
	h.control.stop()
	err := h.work.Wait(ctx)
	if err != nil {
		for _, s := range sessions {
			s.Close(nil)
			s.conn.Abort()
		}
		cut, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		_ = h.work.Wait(cut) // the context's error is told already
		ctx = cut
	}
	if closeErr := h.broker.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}

// farewell asks one session after the other to come back elsewhere.
func (h *Hub) farewell(ctx context.Context, sessions []*Session, interval time.Duration) {
	ticker := time.NewTicker(max(interval, time.Nanosecond))
	defer ticker.Stop()
	for _, s := range sessions {
		after := int(ComeBack().Milliseconds())
		s.leave(s.format.Reconnect(after), ErrDraining)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
