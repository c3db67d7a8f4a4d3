package session

import (
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
	s.drop()
	s.enqueue(s.format.Reconnect(int(ReconnectDelay().Milliseconds())))
	s.finish(errWithdrawn)
	s.hub.stats.withdrawn.Add(1)
}

// errWithdrawn has the code by which transports ask a client to come back.
var errWithdrawn = push.NewError(push.CodeDraining, "rights have changed; come back with the cursor", nil)
