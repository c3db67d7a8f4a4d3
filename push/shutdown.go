package push

import (
	"context"
	"time"
)

// abortTimeout is for connections that were cut.
const abortTimeout = time.Second

// Draining reports whether Shutdown or Drain has begun; a readiness probe should then
// fail.
func (h *Hub) Draining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

// Drain begins what Shutdown does, and doesn't wait: it refuses new clients, and asks the
// connected ones to reconnect elsewhere. The Shutdown of each http.Server through which
// clients have come calls it; other servers must call it themselves.
func (h *Hub) Drain() {
	h.mu.Lock()
	if h.draining {
		h.mu.Unlock()
		return
	}
	h.draining = true
	h.work.Add() // a Shutdown at the same time waits for this
	s := h.sessions
	h.mu.Unlock()
	disconnect := func() {}
	if s != nil {
		disconnect = s.Drain()
	}
	go func() {
		defer h.work.Done()
		disconnect()
		h.revoker.stop()
		h.bus.stop()
	}()
}

// Shutdown ends all that the hub has started. It refuses new clients at once. Connected
// clients get what is queued for them, and are asked to reconnect, one after the other over
// Options.DrainWindow, so that the other instances aren't flooded. When the context ends,
// Shutdown cuts the rest. Streams that are still being written fail. Finally it closes the
// broker.
//
// After nil, no goroutine or connection of the hub is left. The context's error means that
// clients were cut. They lose nothing either, since they resume with their cursors.
//
// Call it after http.Server.Shutdown. That begins it (see Drain) and waits for event streams
// over HTTP/2, but not for connections that were taken out of the server's hands.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.Drain()
	h.streams.end()
	err := h.work.Wait(ctx)
	if err != nil {
		if s := h.attached(); s != nil {
			s.Cut()
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
