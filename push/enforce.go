package push

import (
	"maps"
	"slices"
)

// enforce holds all sessions to what is revoked.
func (h *Hub) enforce() {
	h.mu.Lock()
	sessions := slices.Collect(maps.Values(h.sessions))
	h.mu.Unlock()
	for _, s := range sessions {
		s.enforce()
	}
}

// enforce ends the session if its user was revoked, and has it lose a topic that was.
func (s *Session) enforce() {
	t := &s.hub.control.decrees
	if !t.any.Load() {
		return
	}
	lost := ""
	s.mu.Lock()
	switch id := s.identity.Load(); {
	case s.over:
	case t.revokesUser(id):
		s.revoke()
	default:
		for _, sub := range s.subscriptions {
			if t.revokesTopic(id.User, sub.feed.topic) {
				lost = sub.feed.topic
			}
		}
	}
	s.mu.Unlock()
	if lost != "" {
		s.retreat(lost)
	}
}

// revoke ends the session, and drops what is queued. Called with s.mu held.
func (s *Session) revoke() {
	if !s.over {
		s.drop()
		s.finish(errRevoked)
	}
}
