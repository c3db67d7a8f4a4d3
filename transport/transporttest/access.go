package transporttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// refusal is how a client sees that it is refused: by the status, by the answer
// for each topic in the welcome, or by an error frame.
func (s *site) refusal(topics []string) string {
	s.t.Helper()
	c, err := s.tryConnect(topics, "")
	if status, ok := errors.AsType[*StatusError](err); ok {
		return http.StatusText(status.Status)
	}
	if err != nil {
		s.t.Fatalf("dial: %v", err)
	}
	defer c.Close()
	f := s.next(c)
	code := f.Code
	for _, topic := range f.Topics {
		if topic.Error == nil {
			return "nothing"
		}
		code = topic.Error.Code
	}
	return http.StatusText(push.Code(code).HTTPStatus())
}

func (s *site) wantRefusal(topics []string, code push.Code) {
	s.t.Helper()
	if got, want := s.refusal(topics), http.StatusText(code.HTTPStatus()); got != want {
		s.t.Errorf("refused with %q, want %q", got, want)
	}
	s.eventually("end of the session", func() bool { return s.hub.Stats().Sessions == 0 })
}

func only(topic string) func(ctx context.Context, a push.Access) error {
	return func(_ context.Context, a push.Access) error {
		if a.Topic != topic {
			return errors.New("a reason that stays here")
		}
		return nil
	}
}

func testUnauthenticated(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Identify: func(*http.Request) (push.Identity, error) {
		return push.Identity{}, errors.New("a reason that stays here")
	}})
	s.wantRefusal([]string{"a"}, push.CodeUnauthenticated)
}

func testOrigin(t *testing.T, h Harness) {
	asked := false
	s := open(t, h, push.Options{
		Origins: session.Origins{"https://friend.example"},
		Identify: func(*http.Request) (push.Identity, error) {
			asked = true
			return push.Identity{}, nil
		},
	})
	for _, origin := range []string{
		"https://evil.example", "null", "https://friend.example.evil.example", "https://evilfriend.example",
		"https://friend.example@evil.example", "http://friend.example", "https://friend.example:444", "http://[",
	} {
		newRequest := newGet
		if h.ByPost {
			newRequest = newPost
		}
		r, err := newRequest(t.Context(), s.address, url.Values{"topic": {"a"}})
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", origin, response.StatusCode)
		}
	}
	if asked {
		t.Error("Identify was asked about a foreign page")
	}
}

func testDraining(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	if err := s.hub.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := s.tryConnect([]string{"a"}, "")
	var status *StatusError
	if !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable || status.Header.Get("Retry-After") == "" {
		t.Errorf("got %v", err)
	}
}

func testSlowAuthorize(t *testing.T, h Harness) {
	release := make(chan struct{})
	defer close(release)
	s := open(t, h, push.Options{
		AccessTimeout: 10 * time.Millisecond,
		Authorize: func(context.Context, push.Access) error {
			<-release
			return nil
		},
	})
	s.wantRefusal([]string{"slow"}, push.CodeTimeout)
}

func testPanic(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Authorize: func(_ context.Context, a push.Access) error {
		if a.Topic == "panic" {
			panic("in the application")
		}
		return nil
	}})
	s.wantRefusal([]string{"panic"}, push.CodeInternal)
	if n := s.hub.Stats().Panics; n != 1 {
		t.Errorf("%d panics counted", n)
	}
	c := s.connect([]string{"a"}, "")
	s.publish("a", "1")
	s.wantData(c, "1")
}

func testExpiry(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Identify: func(*http.Request) (push.Identity, error) {
		return push.Identity{User: "u", Expires: time.Now().Add(-time.Hour)}, nil
	}})
	s.wantRefusal([]string{"a"}, push.CodeUnauthenticated)
}

// testWithdrawn takes a topic away from a client that follows two. It is asked to come
// back, and then goes on with the other one: each message of it comes once, in order.
func testWithdrawn(t *testing.T, h Harness) {
	var withdrawn atomic.Bool
	s := open(t, h, push.Options{
		Recheck: time.Millisecond,
		Authorize: func(_ context.Context, a push.Access) error {
			if a.Topic == "yours" && withdrawn.Load() {
				return push.CodeForbidden
			}
			return nil
		},
	})
	topics := []string{"yours", "mine"}
	c := s.connect(topics, "")
	published, got := 0, 0
	publish := func() {
		s.publish("yours", "secret")
		s.publish("mine", fmt.Sprint(published))
		published++
	}
	for left := false; !left; {
		publish()
		for range topics {
			f := s.next(c)
			if left = f.Type == protocol.TypeReconnect; left {
				break
			}
			if f.Topic == "mine" {
				s.wantCount(f, got)
				got++
			}
		}
		withdrawn.Store(published > 10)
	}
	if f, err := c.Next(); err == nil {
		t.Errorf("after the request to come back came %+v", f)
	}
	publish()
	again, err := s.tryConnect(topics, c.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	f := s.next(again)
	if len(f.Topics) != 2 || f.Topics[0].Error == nil || f.Topics[0].Error.Code != "forbidden" || f.Topics[1].From != "cursor" {
		t.Fatalf("welcome is %+v", f)
	}
	publish()
	for ; got < published; got++ {
		s.wantCount(s.next(again), got)
	}
	if n := s.hub.Stats().Withdrawn; n != 1 {
		t.Errorf("%d sessions lost a topic", n)
	}
}

func (s *site) wantCount(f Frame, n int) {
	s.t.Helper()
	if f.Type != protocol.TypeMessage || f.Topic != "mine" || string(f.Data) != fmt.Sprint(n) {
		s.t.Fatalf("got %+v, want message %d", f, n)
	}
}
