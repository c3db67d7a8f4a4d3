package session_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestOriginsThatCantMatchAreLogged: a list with a mistake in it refuses, and says so at the
// start, not to the first visitor.
func TestOriginsThatCantMatchAreLogged(t *testing.T) {
	for origin, good := range map[string]bool{
		push.AnyOrigin: true, push.NoOrigin: true, "https://app.example.com": true, "HTTP://localhost:5173": true,
		"https://[::1]:8443": true, "capacitor://localhost": true,
		"app.example.com": false, "https://app.example.com/": false, "https://*.example.com": false, "null": false, "": false,
		"https://app.example.com:443": false, "http://app.example.com:80": false, "https://bücher.example": false,
		"https://app.example.com, https://b.example.com": false,
	} {
		var log bytes.Buffer
		hub := push.New(membroker.New(), push.Options{Origins: []string{origin}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		session.Of(hub)
		if err := hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if logged := strings.Contains(log.String(), "Origins"); logged == good {
			t.Errorf("%q: %s", origin, &log)
		}
	}
}
