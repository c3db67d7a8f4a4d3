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

// Drain begins what Shutdown does, and doesn't wait: new clients are refused, and those
// that are connected are sent away. A hub has it called by the Shutdown of each
// http.Server by which clients have come; another kind of server has to call it itself.
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
	sendAway := func() {}
	if s != nil {
		sendAway = s.Drain()
	}
	go func() {
		defer h.work.Done()
		sendAway()
		h.control.stop()
	}()
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
