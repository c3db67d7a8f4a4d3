package transporttest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/push"
)

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
