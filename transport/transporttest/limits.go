package transporttest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// limitCase is a limit of three connections.
type limitCase struct {
	name   string
	limits push.Limits
	code   push.Code
	early  bool // who is past it is told by a status, and Identify isn't asked
}

var limitCases = []limitCase{
	{"all", push.Limits{Connections: 3}, push.CodeUnavailable, true},
	{"of a user", push.Limits{PerUser: 3}, push.CodeLimitReached, false},
	{"of an address", push.Limits{PerAddress: 3}, push.CodeLimitReached, true},
}

// testLimits has as many clients as may be, and one more, who harms nobody. The place of
// one that leaves can be had again.
func testLimits(t *testing.T, h Harness) {
	for _, tt := range limitCases {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			s := open(t, h, push.Options{Limits: tt.limits, Identify: func(*http.Request) (push.Identity, error) {
				asked.Add(1)
				return push.Identity{User: "u"}, nil
			}})
			var clients []*Client
			for range 3 {
				clients = append(clients, s.connect([]string{"a"}, ""))
			}
			before := asked.Load()
			if got, want := s.refusal([]string{"a"}), http.StatusText(tt.code.HTTPStatus()); got != want {
				t.Errorf("the fourth got %q, want %q", got, want)
			}
			if tt.early {
				s.wantEarly(tt.code)
				if asked.Load() != before {
					t.Error("Identify was asked about one too many")
				}
			}
			s.publish("a", "1")
			for _, c := range clients {
				s.wantData(c, "1")
			}
			clients[0].Close()
			s.eventually("a place", func() bool { return s.hub.Stats().Sessions == 2 })
			s.eventually("a new client", func() bool { return s.comesIn() })
		})
	}
}

// wantEarly fails unless a client is refused by a status, with the code in its body.
func (s *site) wantEarly(code push.Code) {
	s.t.Helper()
	_, err := s.tryConnect([]string{"a"}, "")
	status, ok := errors.AsType[*StatusError](err)
	if !ok || status.Status != code.HTTPStatus() || !status.says(code) {
		s.t.Errorf("got %v, want the status of %s", err, code)
		return
	}
	if code != push.CodeLimitReached && status.Header.Get("Retry-After") == "" {
		s.t.Error("there is no Retry-After")
	}
}

// testLimitsAtOnce has many clients come at the same moment.
func testLimitsAtOnce(t *testing.T, h Harness) {
	for _, tt := range limitCases {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, h, push.Options{Limits: tt.limits, Identify: func(*http.Request) (push.Identity, error) {
				return push.Identity{User: "u"}, nil
			}})
			var in atomic.Int32
			var wait sync.WaitGroup
			for range 30 {
				wait.Go(func() {
					if s.comesIn() {
						in.Add(1)
					}
				})
			}
			wait.Wait()
			if in.Load() != 3 {
				t.Errorf("%d came in", in.Load())
			}
		})
	}
}

// testFailures has clients of one address that nobody knows.
func testFailures(t *testing.T, h Harness) {
	var asked atomic.Int32
	s := open(t, h, push.Options{
		Limits: push.Limits{Failures: push.Rate{PerSecond: 0.01, Burst: 3}},
		Identify: func(*http.Request) (push.Identity, error) {
			asked.Add(1)
			return push.Identity{}, push.CodeUnauthenticated
		},
	})
	for range 3 {
		s.wantRefusal([]string{"a"}, push.CodeUnauthenticated)
	}
	s.wantEarly(push.CodeRateLimited)
	if asked.Load() != 3 {
		t.Errorf("Identify was asked %d times", asked.Load())
	}
}

// testOpens has clients come faster than they may.
func testOpens(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Limits: push.Limits{Opens: push.Rate{PerSecond: 0.01, Burst: 2}}})
	c := s.connect([]string{"a"}, "")
	s.connect([]string{"a"}, "")
	s.wantEarly(push.CodeUnavailable)
	s.publish("a", "1")
	s.wantData(c, "1")
}

// testTopicRates has clients bring topics into being, and come back to topics, faster than
// they may: these are refused and say when to ask again, and the others are followed.
func testTopicRates(t *testing.T, h Harness) {
	rate := push.Rate{PerSecond: 0.01, Burst: 2}
	for name, limits := range map[string]push.Limits{"new topics": {Topics: rate}, "resumes": {Resumes: rate}} {
		t.Run(name, func(t *testing.T) {
			s := open(t, h, push.Options{Limits: limits})
			topics, since := []string{"a", "b", "c"}, ""
			if limits.Resumes == rate {
				var err error
				if since, err = s.hub.Cursor(t.Context(), topics...); err != nil {
					t.Fatal(err)
				}
			}
			c, err := s.tryConnect(topics, since)
			if err != nil {
				t.Fatal(err)
			}
			welcome, err := c.Next()
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for _, topic := range welcome.Topics {
				if topic.Error == nil {
					s.publish(topic.Topic, topic.Topic)
					s.wantData(c, topic.Topic)
					continue
				}
				refused++
				if topic.Error.Code != string(push.CodeRateLimited) || topic.Error.After <= 0 || topic.Error.After > 100_000 {
					t.Errorf("%s is refused with %+v", topic.Topic, topic.Error)
				}
			}
			if refused != 1 {
				t.Errorf("%d were refused: %+v", refused, welcome)
			}
		})
	}
}

// comesIn reports whether one more client is welcomed. It stays to the end of the test.
func (s *site) comesIn() bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	c, err := s.dial(ctx, s.address, []string{"a"}, "")
	if err != nil {
		if _, ok := errors.AsType[*StatusError](err); !ok {
			s.t.Errorf("dial: %v", err)
		}
		return false
	}
	s.t.Cleanup(c.Close)
	f, err := c.Next()
	if err != nil {
		s.t.Errorf("Next: %v", err)
	}
	return f.Type == protocol.TypeWelcome
}
