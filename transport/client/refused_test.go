package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

// TestTopicIsRefused for good, alone or beside others, and the client lives.
func TestTopicIsRefused(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serve(t, "", push.Options{Authorize: push.Rules(push.Rule{Pattern: "open/{x}", Follow: push.Anyone})}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		s, err := c.Subscribe("secret")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(patience(t)); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("Ready: %v", err)
		}
		for range 2 {
			if _, err := s.Next(patience(t)); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("Next: %v", err)
			}
		}
		other := follow(t, c, "open/1")
		i.publish("open/1", "1")
		expect(t, other, "1")
	})
}

// TestAllTopicsAreRefused, each for a reason of its own. One is for now: the client asks for
// it again.
func TestAllTopicsAreRefused(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		var open atomic.Bool
		i := serve(t, "", push.Options{Authorize: func(_ context.Context, a push.Access) error {
			switch {
			case a.Topic == "secret":
				return push.CodeForbidden
			case !open.Load():
				return push.CodeUnavailable
			default:
				return nil
			}
		}}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		secret, err := c.Subscribe("secret")
		if err != nil {
			t.Fatal(err)
		}
		later, err := c.Subscribe("later")
		if err != nil {
			t.Fatal(err)
		}
		if err := secret.Ready(patience(t)); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("Ready: %v", err)
		}
		if e := next(t, later); !errors.Is(e.Refused, push.CodeUnavailable) {
			t.Errorf("got %s", describe(e))
		}
		open.Store(true)
		if err := later.Ready(patience(t)); err != nil {
			t.Fatal(err)
		}
		i.publish("later", "1")
		expect(t, later, "1")
	})
}

// TestRefusedTopicsWait: a stream is asked for again when its first topic is due.
func TestRefusedTopicsWait(t *testing.T) {
	scripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			const failure = `"code":"rate_limited","reason":"","retry":"later","after":`
			fmt.Fprint(w, `{`, failure, `7000,"topics":[{"topic":"a","error":{`, failure, `7000}},{"topic":"b","error":{`, failure, `9000}}]}`)
			return
		}
		w.WriteHeader(http.StatusNotFound) // comes again
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{Transport: EventStream, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		for _, topic := range []string{"a", "b"} {
			if _, err := c.Subscribe(topic); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(7*time.Second - 10*time.Millisecond)
		synctest.Wait()
		if n := len(s.requests()); n != 1 {
			t.Errorf("it came %d times before the topic is due", n)
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if n := len(s.requests()); n < 2 || c.Err() != nil {
			t.Errorf("it came %d times, %v", n, c.Err())
		}
		s.close(c)
	})
}
