package session

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
	"weak"

	"github.com/tidewire/tidewire/push"
)

const (
	drainRate   = 500                    // sessions a second
	maxComeBack = 500 * time.Millisecond // clients return within this, at random
)

var errDraining = push.NewError(push.CodeDraining, "", nil)

// ReconnectDelay is how long a client that must leave waits until it comes back: a
// random time of up to half a second.
func ReconnectDelay() time.Duration { return rand.N(maxComeBack) }

// drain refuses new clients, and ends all linger. What it returns unsubscribes from the
// topics that lingered, and disconnects the clients.
func (h *Host) drain() (disconnect func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	unused := h.endAllLinger()
	sessions := slices.Collect(maps.Values(h.sessions))
	return func() {
		closeAll(unused)
		h.disconnect(sessions)
	}
}

// abort cuts all connections that are left.
func (h *Host) abort() {
	h.cutRest()
	for _, s := range h.allSessions() {
		s.Close(nil)
		s.conn.Abort()
	}
}

// drainWith has the hub drained when the server of a request shuts down, which would
// wait for event streams over HTTP/2, and doesn't know the connections that were taken
// over. Neither keeps the other in memory.
func (h *Host) drainWith(r *http.Request) {
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
	host := weak.Make(h)
	server.RegisterOnShutdown(func() {
		if h := host.Value(); h != nil {
			h.hub.Drain()
		}
	})
}

// disconnect ends sessions, one after the other, until Shutdown cuts the rest.
func (h *Host) disconnect(sessions []*Session) {
	for _, sh := range h.shards.list() {
		sh.settle()
	}
	if len(sessions) > 0 {
		interval := min(time.Second/drainRate, h.options.DrainWindow/time.Duration(len(sessions)))
		h.askToReconnect(sessions, interval)
	}
}

// askToReconnect ends one session after the other, with the request to reconnect.
func (h *Host) askToReconnect(sessions []*Session, interval time.Duration) {
	ticker := time.NewTicker(max(interval, time.Nanosecond))
	defer ticker.Stop()
	for _, s := range sessions {
		after := int(ReconnectDelay().Milliseconds())
		s.leave(s.format.Reconnect(after), errDraining)
		select {
		case <-ticker.C:
		case <-h.cut.Done():
			return
		}
	}
}
