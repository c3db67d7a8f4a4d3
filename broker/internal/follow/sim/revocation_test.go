package sim

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestRevocationHoldsWithinFiveSeconds takes the time, which is virtual, whatever happens to
// the connection over which an instance learns of it.
func TestRevocationHoldsWithinFiveSeconds(t *testing.T) {
	for name, harm := range map[string]func(*Store, *Subscriber){
		"nothing":              func(*Store, *Subscriber) {},
		"message is lost":      func(_ *Store, c *Subscriber) { c.lose = 1 },
		"connection is silent": func(_ *Store, c *Subscriber) { c.silent = true },
		"connection is cut":    func(_ *Store, c *Subscriber) { c.breakOff() },
		"slow":                 func(s *Store, _ *Subscriber) { s.faults.delay = 300 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logger := slog.New(slog.DiscardHandler)
				s := NewStore(1, Options{})
				s.faults.delay = usualDelay
				start := func(name string) *push.Hub {
					return push.New(follow.New(s.Port(name), follow.Options{Logger: logger}), push.Options{Logger: logger, Identify: func(*http.Request) (push.Identity, error) {
						return push.Identity{User: "eve"}, nil
					}})
				}
				here, there := start("here"), start("there")
				defer here.Shutdown(context.Background())
				defer there.Shutdown(context.Background())
				eve := func(hub *push.Hub) error {
					_, err := session.Of(hub).Identify(httptest.NewRequest(http.MethodGet, "/", nil))
					return err
				}
				for _, hub := range []*push.Hub{here, there} {
					if err := eve(hub); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(10 * time.Second)
				s.mu.Lock()
				for c := range s.subscribers {
					if c.port.name == "here" {
						harm(s, c)
					}
				}
				s.mu.Unlock()
				if err := there.Revoke(t.Context(), push.Revocation{User: "eve"}); err != nil {
					t.Fatal(err)
				}
				returned := time.Now()
				for !errors.Is(eve(here), push.CodeForbidden) {
					if time.Since(returned) > 5*time.Second {
						t.Fatal("five seconds are over")
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		})
	}
}
