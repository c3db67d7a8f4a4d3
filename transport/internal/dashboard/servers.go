package dashboard

import (
	"net/http"
	"sync"
	"weak"
)

// servers knows the servers of streams: their Shutdown would wait for these.
type servers struct {
	mu  sync.Mutex // guards the rest
	all map[weak.Pointer[http.Server]]chan struct{}
}

// stopping returns what is closed when the server of a request shuts down; nil if there is
// none. Neither keeps the other in memory.
func (s *servers) stopping(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	key := weak.Make(server)
	s.mu.Lock()
	defer s.mu.Unlock()
	if stopping, known := s.all[key]; known {
		return stopping
	}
	for other := range s.all {
		if other.Value() == nil {
			delete(s.all, other)
		}
	}
	if s.all == nil {
		s.all = map[weak.Pointer[http.Server]]chan struct{}{}
	}
	stopping := make(chan struct{})
	s.all[key] = stopping
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) }))
	return stopping
}
