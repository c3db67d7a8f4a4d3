package session

import (
	"github.com/google/uuid"

	"github.com/tidewire/tidewire/push"
)

// withdraw is how a session loses a topic that its client may follow no longer: it
// ends, and the client is asked to come back. What is queued is dropped, so nothing
// of the topic goes out but what is being written at this moment. The client comes
// back with its cursor to all its topics: it misses nothing of the others, and is
// refused this one in the usual way. So every client can lose a topic, also one that
// understands no word about it, such as an EventSource.
func (s *Session) withdraw(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.find(topic) == nil {
		return
	}
	s.sendBack(errWithdrawn)
	s.hub.stats.withdrawn.Add(1)
}

// sendBack asks the client to come back, and drops what is queued. Called with s.mu held.
func (s *Session) sendBack(reason *push.Error) {
	s.drop()
	s.enqueue(s.format.Reconnect(int(ReconnectDelay().Milliseconds())))
	s.finish(reason)
}

// sendBack asks the clients of a user to come back, or that of one session.
func (h *Host) sendBack(user string, id uuid.UUID) {
	for _, s := range h.allSessions() {
		if s.id != id && (user == "" || s.Identity().User != user) {
			continue
		}
		s.mu.Lock()
		if !s.over {
			s.sendBack(errSentBack)
		}
		s.mu.Unlock()
	}
}

var errSentBack = push.NewError(push.CodeDraining, "come back with the cursor", nil)

// errWithdrawn has the code by which transports ask a client to come back.
var errWithdrawn = push.NewError(push.CodeDraining, "rights have changed; come back with the cursor", nil)
