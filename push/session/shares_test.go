package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// names gives n topics, from a number on.
func names(from, n int) []string {
	topics := make([]string, n)
	for i := range topics {
		topics[i] = fmt.Sprint("topic", from+i)
	}
	return topics
}

// ask subscribes to topics in one request, and tells how many were refused because that
// was too fast, and the longest wait among the answers. Other refusals are errors.
func (w *world) ask(s *session.Session, since string, topics ...string) (refused int, after time.Duration) {
	w.t.Helper()
	follows := make([]session.Follow, len(topics))
	for i, topic := range topics {
		follows[i] = session.Follow{Topic: topic, Since: since}
	}
	s.Subscribe(w.t.Context(), follows, func(answers []session.Followed) *session.Frame {
		for _, a := range answers {
			switch {
			case a.Err == nil:
			case errors.Is(a.Err, push.CodeRateLimited) && a.Err.After > 0:
				refused++
				after = max(after, a.Err.After)
			default:
				w.t.Errorf("%s: %v", a.Topic, a.Err)
			}
		}
		return hello(answers)
	})
	return refused, after
}

// come lets a client in, which must be possible.
func (w *world) come(address, user string) *session.Session {
	w.t.Helper()
	s, err := w.admit(from(address), user)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func isOver(s *session.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// TestClientsBringFewTopicsIntoBeing: past so many a topic is refused until the time comes
// that the refusal names. Topics that are there already are as free as ever, the
// connection lives, and the log tells.
func TestClientsBringFewTopicsIntoBeing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, nil, push.Options{MaxTopics: 10_000, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer w.shutdown()
		other := w.open(newConn())
		w.subscribe(other, "", names(-1000, 1000)...)
		s := w.come("127.0.0.1", "")
		refused, after := w.ask(s, "", names(0, 700)...)
		if refused != 100 || after != 100*time.Millisecond {
			t.Errorf("%d of 700 were refused, for %v", refused, after)
		}
		if n := w.hub.Stats().Refused[push.CodeRateLimited]; n != 100 {
			t.Errorf("%d were counted", n)
		}
		if refused, _ := w.ask(s, "", names(-1000, 1000)...); refused != 0 {
			t.Errorf("%d that are there were refused", refused)
		}
		if n := w.hub.Stats().Topics; n != 1600 {
			t.Errorf("there are %d topics", n)
		}
		time.Sleep(after)
		if refused, _ := w.ask(s, "", names(1000, 2)...); refused != 1 {
			t.Errorf("later %d of 2 were refused", refused)
		}
		if isOver(s) {
			t.Error("the connection is closed")
		}
		if lines := log.String(); !strings.Contains(lines, "push: refused") || !strings.Contains(lines, "rate_limited") {
			t.Errorf("logged:\n%s", lines)
		}
	})
}

// TestSharesOfRates: however many connections a user or an address has, they have a few
// times what one has, if they are counted at all.
func TestSharesOfRates(t *testing.T) {
	const burst = 5
	lift := func(l push.Limits) push.Limits { l.PerUser, l.PerAddress = -1, -1; return l }
	topics := push.Limits{Topics: push.Rate{PerSecond: 1, Burst: burst}, PerUser: 1000}
	resumes := push.Limits{Resumes: push.Rate{PerSecond: 1, Burst: burst}, PerUser: 1000}
	tests := []struct {
		name          string
		limits        push.Limits
		resumes       bool
		address, user string
		allowed       int // of 40 connections together
	}{
		{"topics of a user", topics, false, "", "u", 4 * burst},
		{"topics of an address", topics, false, "203.0.113.1", "", 20 * burst},
		{"topics of a loopback address", topics, false, "127.0.0.1", "", 20 * burst},
		{"topics of many", topics, false, "", "", 40 * burst},
		{"topics, lifted", lift(topics), false, "203.0.113.1", "u", 40 * burst},
		{"resumes of a user", resumes, true, "", "u", 4 * burst},
		{"resumes of an address", resumes, true, "203.0.113.1", "", 20 * burst},
		{"resumes of many", resumes, true, "", "", 40 * burst},
		{"resumes, lifted", lift(resumes), true, "203.0.113.1", "u", 40 * burst},
		{"no limit of topics", push.Limits{Topics: push.Rate{PerSecond: -1}}, false, "203.0.113.1", "", 40 * 2 * burst},
		{"no limit of resumes", push.Limits{Resumes: push.Rate{PerSecond: -1}}, true, "203.0.113.1", "", 40 * 2 * burst},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{Limits: tt.limits})
				defer w.shutdown()
				refused, wait, since := 0, time.Duration(0), ""
				for i := range 40 {
					address := tt.address
					if address == "" {
						address = fmt.Sprint("203.0.113.", i)
					}
					s := w.come(address, tt.user)
					topics := names(i*2*burst, 2*burst)
					if tt.resumes {
						topics = names(0, 2*burst)
						since = w.cursor(topics...)
					}
					n, after := w.ask(s, since, topics...)
					refused, wait = refused+n, max(wait, after)
				}
				if allowed := 40*2*burst - refused; allowed != tt.allowed {
					t.Errorf("%d were allowed, want %d", allowed, tt.allowed)
				}
				if refused > 0 && (wait <= 0 || wait > time.Second) {
					t.Errorf("the longest wait is %v", wait)
				}
			})
		})
	}
}

// TestLimitsLetCrowdsComeBack: after a restart, or when a whole office has lost its line,
// all are back at once with their topics, by default, and may lose it soon again.
func TestLimitsLetCrowdsComeBack(t *testing.T) {
	tests := []struct {
		name                string
		connections, topics int
		user                string
		address             func(i int) string
		own                 bool // each connection has topics of its own
	}{
		{"a user", 20, 100, "u", func(i int) string { return fmt.Sprint("203.0.113.", i) }, true},
		{"an office", 200, 50, "", func(int) string { return "203.0.113.1" }, true},
		{"an office with the same topics", 200, 50, "", func(int) string { return "203.0.113.1" }, false},
		{"all behind a proxy that isn't listed", 300, 50, "", func(int) string { return "10.0.0.1" }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{})
				defer w.shutdown()
				for round := range 2 {
					var sessions []*session.Session
					for i := range tt.connections {
						s := w.come(tt.address(i), tt.user)
						sessions = append(sessions, s)
						topics := names(0, tt.topics)
						if tt.own {
							topics = names(i*tt.topics, tt.topics)
						}
						for len(topics) > 0 {
							some := topics[:min(len(topics), cursor.MaxTopics)]
							topics = topics[len(some):]
							if refused, after := w.ask(s, w.cursor(some...), some...); refused > 0 {
								t.Fatalf("round %d, connection %d: %d refused for %v", round, i, refused, after)
							}
						}
					}
					for _, s := range sessions {
						s.Close(nil)
						<-s.Done()
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// TestTopicsWeighAsMuchAsFrames: what names many topics is paid for like many frames, be
// it more than the whole burst.
func TestTopicsWeighAsMuchAsFrames(t *testing.T) {
	tests := []struct {
		name  string
		rate  push.Rate
		named []int
		last  bool // is refused
	}{
		{"as many as frames", push.Rate{PerSecond: 1, Burst: 10}, []int{5, 5}, false},
		{"one too many", push.Rate{PerSecond: 1, Burst: 10}, []int{5, 5, 1}, true},
		{"more than the burst, at first", push.Rate{PerSecond: 1, Burst: 10}, []int{1000}, false},
		{"more than the burst, later", push.Rate{PerSecond: 1, Burst: 10}, []int{1, 1000}, true},
		{"after more than the burst", push.Rate{PerSecond: 1, Burst: 10}, []int{1000, 1}, true},
		{"by default", push.Rate{}, []int{500, 500, 1}, true},
		{"no limit", push.Rate{PerSecond: -1}, []int{1000, 1000}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{Limits: push.Limits{Requests: tt.rate}})
				defer w.shutdown()
				s := w.open(newConn())
				var m session.Meter
				for i, n := range tt.named {
					err := s.CountFrame(&m)
					if err == nil {
						err = s.CountTopics(&m, n)
					}
					want := tt.last && i == len(tt.named)-1
					if errors.Is(err, push.CodeRateLimited) != want || !want && err != nil {
						t.Errorf("number %d, of %d topics: %v", i, n, err)
					}
				}
			})
		})
	}
}

// TestSnapshotsCountAsResumes: to follow a state again and again costs as much as a replay.
func TestSnapshotsCountAsResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{Limits: push.Limits{Resumes: push.Rate{PerSecond: 1, Burst: 5}}})
		defer w.shutdown()
		w.set("k", "v")
		admission, err := session.Of(w.hub).Admit(from("203.0.113.1"))
		if err != nil {
			t.Fatal(err)
		}
		defer admission.Release()
		c := newStateClient()
		s, err := session.Of(w.hub).Open(session.Client{
			Admission: admission, Format: format, Conn: &stateConn{client: c, cut: make(chan struct{})},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			s.Subscribe(t.Context(), []session.Follow{{Topic: "s/a", State: true}}, hello)
			synctest.Wait()
			leave(s, "s/a")
		}
		if c.changes != 5 {
			t.Errorf("%d snapshots at once", c.changes)
		}
	})
}
