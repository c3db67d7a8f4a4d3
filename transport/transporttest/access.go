package transporttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
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

func testRefusedTopic(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Authorize: only("mine")})
	c, err := s.tryConnect([]string{"yours", "mine"}, "")
	if err != nil {
		t.Fatal(err)
	}
	f := s.next(c)
	if len(f.Topics) != 2 || f.Topics[0].Error == nil || f.Topics[0].Error.Code != "forbidden" || f.Topics[1].Error != nil {
		t.Fatalf("welcome is %+v", f)
	}
	s.publish("yours", "secret")
	s.publish("mine", "1")
	s.wantData(c, "1")
}

// testAllRefused has a client that is told of each topic why it is refused, wherever there is
// room for it: in the welcome, or in the answer to the request.
func testAllRefused(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Authorize: func(_ context.Context, a push.Access) error {
		if a.Topic == "theirs" {
			return push.CodeUnavailable
		}
		return errors.New("a reason that stays here")
	}})
	topics := []string{"yours", "theirs"}
	c, err := s.tryConnect(topics, "")
	status, refused := errors.AsType[*StatusError](err)
	var answers []TopicState
	switch {
	case refused && status.Status == http.StatusForbidden:
		answers = status.topics()
	case err != nil:
		t.Fatalf("dial: %v", err)
	default:
		answers = s.next(c).Topics
		c.Close()
	}
	for i, code := range []push.Code{push.CodeForbidden, push.CodeUnavailable} {
		if len(answers) != len(topics) || answers[i].Topic != topics[i] || answers[i].Error == nil || answers[i].Error.Code != string(code) {
			t.Fatalf("the topics are answered by %+v, %v", answers, err)
		}
	}
	s.eventually("end of the session", func() bool { return s.hub.Stats().Sessions == 0 })
}

// testBadName asks for names that no topic has: alone, and beside one that is good. A client
// finds what became of each by its name, or at its place.
func testBadName(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	for name, told := range map[string]string{
		"":                        "",
		"a\n":                     "a\n",
		"a*":                      "a*",
		"tidewire.a":              "tidewire.a",
		"\xff\x00\u2028":          "\ufffd\x00\u2028",
		strings.Repeat("ä", 101):  strings.Repeat("ä", 101),
		strings.Repeat("x", 9000): strings.Repeat("x", 1024),
	} {
		s.wantRefusal([]string{name}, push.CodeBadRequest)
		c, err := s.tryConnect([]string{name, "mine"}, "")
		if err != nil {
			t.Fatalf("%.20q: %v", name, err)
		}
		f := s.next(c)
		if len(f.Topics) != 2 || f.Topics[0].Topic != told || f.Topics[0].Error == nil ||
			f.Topics[0].Error.Code != string(push.CodeBadRequest) || f.Topics[0].Error.Retry != "never" || f.Topics[1].Error != nil {
			t.Fatalf("%.20q: welcome is %+v", name, f)
		}
		s.publish("mine", "1")
		s.wantData(c, "1")
		c.Close()
	}
}

// testTooManyTopics asks for one topic more than fit a connection, and for one of a bad name,
// which takes no place.
func testTooManyTopics(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	topics := append([]string{"bad*"}, names(h.Topics+1)...)
	c, err := s.tryConnect(topics, "")
	if err != nil {
		t.Fatal(err)
	}
	f := s.next(c)
	if len(f.Topics) != len(topics) {
		t.Fatalf("welcome is %+v", f)
	}
	for i, topic := range f.Topics {
		want := map[int]push.Code{0: push.CodeBadRequest, h.Topics + 1: push.CodeLimitReached}[i]
		if topic.Topic != topics[i] || (topic.Error != nil) != (want != "") || topic.Error != nil && topic.Error.Code != string(want) {
			t.Errorf("topic %d of %d is %+v", i, len(topics), topic)
		}
	}
	s.publish(topics[h.Topics+1], "for nobody")
	s.publish(topics[h.Topics], "for the last")
	s.wantData(c, "for the last")
}

// testTopicsAreBytes has names that some would take for the same, or for a path.
// Authorize is asked about exactly the name that is followed.
func testTopicsAreBytes(t *testing.T, h Harness) {
	var mu sync.Mutex
	asked := map[string]int{}
	s := open(t, h, push.Options{Authorize: func(_ context.Context, a push.Access) error {
		mu.Lock()
		defer mu.Unlock()
		asked[a.Topic]++
		return nil
	}})
	topics := []string{
		"a", "A", "../a", "%2e%2e/a", "a//b", "a/b", "a/./b", "/a", "a/", "ü", "u\u0308", "a b", "a+b", "a&b=c", "a#b", "a;b", "__proto__", "constructor",
		"<img onerror=x>", "' or 1=1", "{a}", "a:b",
	}
	for _, topic := range topics {
		c := s.connect([]string{topic}, "")
		for _, other := range topics {
			if other != topic {
				s.publish(other, "of "+other)
			}
		}
		s.publish(topic, "of "+topic)
		s.wantData(c, "of "+topic)
		c.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	for _, topic := range topics {
		if asked[topic] != 1 && (!h.Polls || asked[topic] == 0) {
			t.Errorf("Authorize was asked %d times about %q", asked[topic], topic)
		}
	}
	if len(asked) != len(topics) {
		t.Errorf("Authorize was asked about %d topics, of %d", len(asked), len(topics))
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
