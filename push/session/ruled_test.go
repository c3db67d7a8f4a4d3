package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestRulesOfAHub: the rules see the topic as the hub uses it, and refuse with no more
// than that.
func TestRulesOfAHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := func(_ context.Context, a push.Access) error {
			if a.PathValue("user") != a.Identity.User {
				return errors.New("a reason that stays here")
			}
			return nil
		}
		w := newWorld(t, nil, push.Options{
			Authorize: push.Rules(push.Rule{Pattern: "users/{user}/{rest...}", Follow: own, Send: own}),
			Receive:   func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil },
		})
		defer w.shutdown()
		c := newConn()
		s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c, Identity: push.Identity{User: "ann"}})
		if err != nil {
			t.Fatal(err)
		}
		w.subscribe(s, "", "users/ann/inbox", "users/bob/inbox", "users/ann/../bob/inbox", "users/ANN/inbox")
		for _, topic := range []string{"users/ann/inbox", "users/bob/inbox", "users/ann/../bob/inbox"} {
			w.publish(topic, "to-"+topic)
		}
		synctest.Wait()
		// The third is a topic of ann's, with dots in its name: nobody takes it for bob's.
		if got := c.take(); got != "[hello forbidden forbidden to-users/ann/inbox to-users/ann/../bob/inbox]" {
			t.Errorf("got %s", got)
		}
		in := push.Inbound{Identity: s.Identity(), Topic: "users/bob/inbox", Data: []byte("x")}
		if _, err := session.Of(w.hub).Inbound(t.Context(), in); !errors.Is(err, push.CodeForbidden) || push.AsError(err).Reason != push.AsError(push.CodeForbidden).Reason {
			t.Errorf("Inbound: %v", err)
		}
	})
}
