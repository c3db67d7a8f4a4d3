package session

import (
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/inside"
)

func init() { //nolint:gochecknoinits // package push/pushtest reaches no feed by other means
	inside.ForgetHistory = func(hub any, topic string) { Of(hub.(*push.Hub)).forgetHistory(topic) }
}

// forgetHistory gives up the window of a topic, so that only the broker knows what was.
func (h *Host) forgetHistory(topic string) {
	h.mu.Lock()
	f := h.feeds[topic]
	h.mu.Unlock()
	if f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.forget()
	}
}
