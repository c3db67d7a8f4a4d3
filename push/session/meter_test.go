package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestRequestsAreMetered: a client of ours that subscribes to a hundred topics one by one
// isn't stopped, and a flood is.
func TestRequestsAreMetered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		s := w.open(newConn())
		defer s.Close(nil)
		var m session.Meter
		for i := range 1000 {
			if err := s.CountFrame(&m); err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
		if err := s.CountFrame(&m); !errors.Is(err, push.CodeRateLimited) {
			t.Errorf("one too many: %v", err)
		}
		for i := range 1000 {
			time.Sleep(10 * time.Millisecond)
			if err := s.CountFrame(&m); err != nil {
				t.Fatalf("frame %d of those that come slowly: %v", i, err)
			}
		}
	})
}

// TestSendsAreMetered: of a connection by itself, by POST of a user, or else of an
// address.
func TestSendsAreMetered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{
			Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Identify: func(r *http.Request) (push.Identity, error) {
				return push.Identity{User: r.Header.Get("User")}, nil
			},
			Receive: func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil },
		})
		defer w.shutdown()
		byPost := func(address, user string) func() error {
			return func() error {
				r := from("127.0.0.1", address)
				r.Header.Set("User", user)
				_, err := session.Of(w.hub).IdentifySender(r)
				w.refused(r, err)
				return err
			}
		}
		overSession := func() func() error {
			s := w.open(newConn())
			t.Cleanup(func() { s.Close(nil) })
			m := new(session.Meter)
			return func() error {
				_, err := s.Inbound(t.Context(), m, push.Inbound{Topic: "a", Data: []byte("x")})
				return err
			}
		}
		senders := map[string]func() error{
			"a session": overSession(), "another session": overSession(),
			"a user": byPost("203.0.113.1", "u"), "another user": byPost("203.0.113.1", "v"),
			"an address": byPost("203.0.113.1", ""), "another address": byPost("203.0.113.2", ""),
		}
		for name, send := range senders {
			for i := range 20 {
				if err := send(); err != nil {
					t.Fatalf("%s, message %d: %v", name, i, err)
				}
			}
			if err := push.AsError(send()); !errors.Is(err, push.CodeRateLimited) || err.After != 100*time.Millisecond {
				t.Errorf("%s, one too many: %v", name, err)
			}
		}
		if err := byPost("203.0.113.2", "u")(); !errors.Is(err, push.CodeRateLimited) {
			t.Errorf("a user from elsewhere: %v", err)
		}
		if n := w.hub.Stats().Refused[push.CodeRateLimited]; n != 7 {
			t.Errorf("%d were counted", n)
		}
		time.Sleep(100 * time.Millisecond)
		for name, send := range senders {
			if err := send(); err != nil {
				t.Errorf("%s, later: %v", name, err)
			}
		}
		shared := from("10.0.0.1")
		for range 100 {
			if _, err := session.Of(w.hub).IdentifySender(shared); err != nil {
				t.Fatalf("an address that may stand for everybody: %v", err)
			}
		}
	})
}
