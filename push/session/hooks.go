package session

import (
	"time"

	"github.com/tidewire/tidewire/push"
)

// watch calls a hook that only watches.
func (h *Host) watch(hook func()) {
	_, _ = guarded(h, func() (struct{}, error) { hook(); return struct{}{}, nil }) // a panic is logged
}

func (s *Session) hookConnected() {
	if hook := s.hub.options.Connected; hook != nil {
		s.hub.watch(func() { hook(s.Identity(), s.ID()) })
	}
}

// disconnected tells those who watch that the session has ended, once they have heard of all
// that its client has followed and left.
func (s *Session) disconnected() {
	s.mu.Lock()
	s.untold = s.calls > 0
	waits := s.untold
	s.mu.Unlock()
	if !waits {
		s.hookDisconnected(s.reason)
	}
}

func (s *Session) hookDisconnected(reason *push.Error) {
	hook := s.hub.options.Disconnected
	if hook == nil {
		return
	}
	var why error
	if reason != nil {
		why = reason
	}
	seconds, nanoseconds := s.id.Time().UnixTime()
	lasted := max(0, time.Since(time.Unix(seconds, nanoseconds)))
	s.hub.watch(func() { hook(s.Identity(), s.ID(), why, lasted) })
}

// join makes the client of a subscription one that follows its topic, for those who watch.
func (sub *subscription) join() {
	s, topic := sub.session, sub.feed.topic
	sub.joined = true
	if hook := s.hub.options.Followed; hook != nil {
		s.hub.watch(func() { hook(s.Identity(), s.ID(), topic) })
	}
	if s.isMemberOf(topic) {
		s.hub.present.join(s, topic, s.hub.describe(s.Identity()))
	}
}

// leave ends what join began, if it did.
func (sub *subscription) leave() {
	s, topic := sub.session, sub.feed.topic
	if !sub.joined {
		return
	}
	if s.isMemberOf(topic) {
		s.hub.present.leave(s, topic)
	}
	if hook := s.hub.options.Left; hook != nil {
		s.hub.watch(func() { hook(s.Identity(), s.ID(), topic) })
	}
}

// isMemberOf reports whether the client is a member of a topic that it follows. One that
// gets one answer at a time is another session each time, so without a name it is none.
func (s *Session) isMemberOf(topic string) bool {
	p := s.hub.present
	if p == nil || !p.covers(topic) {
		return false
	}
	_, polls := s.conn.(Collector)
	return !polls || s.Identity().User != ""
}
