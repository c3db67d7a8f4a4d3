package session_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestWarningsAreKeptOnce: a warning is there once for its key, and there are never more than
// 32 of them.
func TestWarningsAreKeptOnce(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{})
	host := session.Of(hub)
	host.Warn("a", "the first")
	host.Warn("a", "the second")
	host.Warn("b", "another")
	if got := host.Warnings(); !slices.Equal(got, []string{"the first", "another"}) {
		t.Errorf("got %q", got)
	}
	for i := range 100 {
		host.Warn(fmt.Sprint(i), "one of many")
	}
	if got := len(host.Warnings()); got != 32 {
		t.Errorf("%d are kept", got)
	}
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
