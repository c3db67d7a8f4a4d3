package push_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// TestCursorHasEachTopicOnce: a cursor that named a topic twice would be of no use for it.
func TestCursorHasEachTopicOnce(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{})
	defer hub.Shutdown(t.Context())
	text, err := hub.Cursor(t.Context(), "a", "b", "a")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cursor.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"a", "b"} {
		if at, ok := c.Position(topic); !ok || at.IsZero() {
			t.Errorf("the position in %s is %+v, %t", topic, at, ok)
		}
	}
}

// TestNewNeedsABroker: without one it says so at once, not when something is published.
func TestNewNeedsABroker(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "push.New") {
			t.Errorf("it panics with %q", text)
		}
	}()
	push.New(nil, push.Options{})
	t.Error("it makes a hub")
}
