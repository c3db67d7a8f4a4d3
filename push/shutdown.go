package push

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
	"weak"
)

const (
	drainRate    = 500                    // farewells a second
	maxComeBack  = 500 * time.Millisecond // clients return within this, at random
	abortTimeout = time.Second            // for connections that were cut
)

// ComeBack is how long a client that must leave waits until it comes back: a
// random time of up to half a second.
func ComeBack() time.Duration { return rand.N(maxComeBack) }

// Draining reports whether Shutdown or Drain has begun; a readiness probe should then
// fail.
func (h *Hub) Draining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

// Drain begins what Shutdown does, and doesn't wait: new clients are refused, and those
// that are connected are sent away. A hub has it called by the Shutdown of each
// http.Server by which clients have come; another kind of server has to call it itself.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return
	}
	h.draining = true
	sessions := slices.Collect(maps.Values(h.sessions))
	h.work.Go(func() { h.sendAway(sessions) })
}

// drainWith has the hub drained when the server of a request shuts down, which would
// wait for event streams over HTTP/2, and doesn't know the connections that were taken
// over. Neither keeps the other in memory.
func (h *Hub) drainWith(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	key := weak.Make(server)
	if _, known := h.servers.Load(key); known {
		return
	}
	if _, known := h.servers.LoadOrStore(key, true); known {
		return
	}
	h.servers.Range(func(key, _ any) bool {
		if key.(weak.Pointer[http.Server]).Value() == nil {
			h.servers.Delete(key)
		}
		return true
	})
	hub := weak.Make(h)
	server.RegisterOnShutdown(func() {
		if h := hub.Value(); h != nil {
			h.Drain()
		}
	})
}

// Shutdown ends all that the hub has started. New clients are refused at once;
// those that are connected get what is queued for them and are asked to come
// back, one after the other (Options.DrainWindow), so that the other instances
// meet no storm. When the context ends the rest is cut. At last the broker is
// closed.
//
// After nil no goroutine or connection of the hub is left. An error is the
// context's, and means that clients were cut; they lose nothing either, since
// they come back with their cursors. Call it after http.Server.Shutdown, which
// begins it (see Drain) and waits for event streams over HTTP/2, but not for
// connections that are a client's own.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.Drain()
	err := h.work.Wait(ctx)
	if err != nil {
		h.cutRest()
		h.mu.Lock()
		sessions := slices.Collect(maps.Values(h.sessions))
		h.mu.Unlock()
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

// sendAway ends sessions, one after the other, until Shutdown cuts the rest.
func (h *Hub) sendAway(sessions []*Session) {
	for i := range h.shards {
		h.shards[i].settle()
	}
	if len(sessions) > 0 {
		interval := min(time.Second/drainRate, h.options.DrainWindow/time.Duration(len(sessions)))
		h.farewell(sessions, interval)
	}
	h.control.stop()
}

// farewell asks one session after the other to come back elsewhere.
func (h *Hub) farewell(sessions []*Session, interval time.Duration) {
	ticker := time.NewTicker(max(interval, time.Nanosecond))
	defer ticker.Stop()
	for _, s := range sessions {
		after := int(ComeBack().Milliseconds())
		s.leave(s.format.Reconnect(after), ErrDraining)
		select {
		case <-ticker.C:
		case <-h.cut.Done():
			return
		}
	}
}
