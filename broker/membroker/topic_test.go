package membroker

import (
	"context"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// TestForgottenTopicStaysForgotten has a sweep come between the moment when a topic
// is forgotten and the moment when it leaves the map, and a new topic take its
// name before a late removal.
func TestForgottenTopicStaysForgotten(t *testing.T) {
	b := New()
	defer b.Close(context.Background())
	old, err := b.lock("a")
	if err != nil {
		t.Fatal(err)
	}
	old.forgotten = true
	old.mu.Unlock()
	if old.sweep(time.Now(), &b.options) || !old.forgotten {
		t.Error("the sweep took a forgotten topic for its own, or brought it back")
	}
	b.forget(old)
	if _, err := b.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	b.forget(old)
	if page, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 1}); err != nil || len(page.Messages) != 1 {
		t.Errorf("the new topic is gone: %+v, %v", page, err)
	}
}
