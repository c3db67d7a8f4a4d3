package push

// Decrees is how many decrees the hub keeps, those too that have expired.
func (h *Hub) Decrees() int {
	t := &h.control.decrees
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known)
}

// Windows tells how many windows the hub's feeds keep, and how many bytes all
// windows count for.
func (h *Hub) Windows() (kept int, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.feeds {
		f.mu.Lock()
		if f.window != nil {
			kept++
		}
		f.mu.Unlock()
	}
	return kept, h.windows.Load()
}

// Waiting is how many frames wait for the session's client.
func (s *Session) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outbox.count
}

// Counted is how many users and sources of connections are counted.
func (h *Hub) Counted() (users, sources int) {
	p := &h.gate.places
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.users), len(p.sources)
}

// Due is how many sessions wait for their rights to be asked again.
func (h *Hub) Due() int {
	h.reviews.mu.Lock()
	defer h.reviews.mu.Unlock()
	return h.reviews.due.Len()
}
