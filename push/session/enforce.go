package session

import (
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/push"
)

// enforce holds all sessions to what is revoked.
func (h *Host) enforce() {
	for _, s := range h.allSessions() {
		s.enforce()
	}
}

func (h *Host) allSessions() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.sessions))
}

// enforce ends the session if its user was revoked, and has it lose a topic that was.
func (s *Session) enforce() {
	hub := s.hub.hub
	if !hub.AnyRevoked() {
		return
	}
	lost := ""
	s.mu.Lock()
	id := s.identity.Load()
	if reason := hub.RevokedUser(id); reason != nil {
		s.revoke(reason)
	}
	if !s.over {
		for _, sub := range s.subscriptions {
			if hub.RevokedTopic(id.User, subjectOf(sub.feed.topic)) != nil {
				lost = sub.feed.topic
			}
		}
	}
	s.mu.Unlock()
	if lost != "" {
		s.withdraw(lost)
	}
}

// revoke ends the session of this ID, if it is here.
func (h *Host) revoke(id uuid.UUID, reason *push.Error) {
	if s := h.session(nameOf(id)); s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.revoke(reason)
	}
}

// revoke ends the session, and drops what is queued. Called with s.mu held.
func (s *Session) revoke(reason *push.Error) {
	if !s.over {
		s.drop()
		s.finish(reason)
	}
}
