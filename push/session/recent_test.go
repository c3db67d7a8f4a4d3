package session_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// asks follows topics with the last n messages, and returns the answers.
func (w *world) asks(s *session.Session, n int, since string, topics ...string) (answers []session.Followed) {
	w.t.Helper()
	var follows []session.Follow
	for _, topic := range topics {
		follows = append(follows, session.Follow{Topic: topic, Since: since, Recent: n})
	}
	s.Subscribe(w.t.Context(), follows, func(a []session.Followed) *session.Frame {
		answers = a
		return hello(a)
	})
	return answers
}

// asksFor lets a client come to topic a for the last n messages.
func (w *world) asksFor(n int) (*fakeConn, session.Followed) {
	w.t.Helper()
	c := newConn()
	return c, w.asks(w.open(c), n, "", "a")[0]
}

// TestRecent: the last messages come, then live ones, from the place that was announced.
func TestRecent(t *testing.T) {
	size := (&push.Message{ID: strings.Repeat("x", 36), Topic: "a", Data: []byte("10")}).Size()
	for _, tt := range []struct {
		name    string
		options push.Options
		recent  int
		before  [3]int // the place, at first, with one message more in the window, and with one more in history
	}{
		{"none", push.Options{}, 0, [3]int{20, 21, 22}},
		{"one", push.Options{}, 1, [3]int{19, 20, 21}},
		{"some", push.Options{}, 7, [3]int{13, 14, 15}},
		{"as many as history has", push.Options{}, 12, [3]int{8, 9, 10}},
		{"more than history has, not than the window", push.Options{}, 13, [3]int{8, 8, 10}},
		{"as many as an int holds", push.Options{}, math.MaxInt, [3]int{8, 8, 10}},
		{"more than a replay has", push.Options{ReplayMessages: 5}, 6, [3]int{15, 16, 17}},
		{"more bytes than a replay has", push.Options{ReplayBytes: 5 * size}, 6, [3]int{15, 16, 17}},
		{"no message fits", push.Options{ReplayBytes: size - 1}, 6, [3]int{20, 21, 22}},
		{"no bounds", push.Options{ReplayMessages: -1, ReplayBytes: -1}, 11, [3]int{9, 10, 11}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSlowHistory(time.Millisecond, broker.History{Messages: 12})
				w := newWorld(t, b, tt.options)
				defer w.shutdown()
				positions := w.publishNumbers(1, 20)
				for i, when := range []string{"first", "again", "without a window"} {
					want := tt.before[i]
					c, answer := w.asksFor(tt.recent)
					from := session.FromRecent
					if tt.recent == 0 {
						from = session.FromNow
					}
					last := len(positions) - 1
					if answer.From != from || answer.Cursor != cursor.Format("a", positions[want]) || answer.Err != nil {
						t.Errorf("%s: announced %+v, want %q from %d", when, answer, from, want)
					}
					synctest.Wait()
					positions = append(positions, w.publishNumbers(last+1, last+1)[1])
					w.settle()
					if got, want := c.take(), numbers("hello", want+1, last+1); got != want {
						t.Errorf("%s: got %s, want %s", when, got, want)
					}
					if when == "again" {
						time.Sleep(windowLife)
						synctest.Wait()
						w.wantWindows(0)
					}
				}
				reads := 2
				if tt.recent == 0 {
					reads = 0
				}
				if n := b.reads(); n != reads {
					t.Errorf("%d reads, want %d", n, reads)
				}
			})
		})
	}
}

// windowLife is how long a feed keeps a window.
const windowLife = 5 * time.Second

// TestRecentCostsNothingWithoutMessages: the broker isn't asked about a topic that nobody has
// published to, nor about a reserved one.
func TestRecentCostsNothingWithoutMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowHistory(time.Millisecond, broker.History{})
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		c := newConn()
		answers := w.asks(w.open(c), 5, "", "a", "tidewire.control")
		if answers[0].From != session.FromRecent || answers[0].Cursor == "" || answers[1].Err == nil {
			t.Errorf("announced %+v", answers)
		}
		w.publish("a", "1")
		synctest.Wait()
		if got := c.take(); got != "[hello "+string(answers[1].Err.Code)+" 1]" || b.reads() != 0 {
			t.Errorf("got %s", got)
		}
	})
}

// TestRecentWithACursor: a cursor wins, topic by topic, and the last messages come behind
// the gap that it may lead to.
func TestRecentWithACursor(t *testing.T) {
	of := func(i int, change func(*broker.Position)) func([]broker.Position) string {
		return func(positions []broker.Position) string {
			p := positions[i]
			change(&p)
			return cursor.Format("a", p)
		}
	}
	as := func(*broker.Position) {}
	for _, tt := range []struct {
		name    string
		options push.Options
		since   func(positions []broker.Position) string
		recent  int
		gap     string // if one comes
		place   int    // where the messages begin that come
	}{
		{"of a place in reach", push.Options{}, of(18, as), 5, "", 18},
		{"of the head", push.Options{}, of(20, as), 5, "", 20},
		{"of a trimmed place", push.Options{}, of(5, as), 3, "trimmed 5", 17},
		{"of a trimmed place, for all that there is", push.Options{}, of(9, as), 10, "trimmed 9", 10},
		{"that misses too many", push.Options{ReplayMessages: 4}, of(15, as), 100, "too_many 15", 16},
		{"of a fork", push.Options{}, of(18, func(p *broker.Position) { p.Tag++ }), 3, "fork 18", 17},
		{"of a fork at the head", push.Options{}, of(20, func(p *broker.Position) { p.Tag++ }), 2, "fork 20", 18},
		{"of what isn't there yet", push.Options{}, of(20, func(p *broker.Position) { p.Offset += 9 }), 2, "fork 29", 18},
		{"of another epoch", push.Options{}, of(18, func(p *broker.Position) { p.Epoch++ }), 2, "epoch 18", 18},
		{"that is broken", push.Options{}, func([]broker.Position) string { return "garbage" }, 2, "unknown_cursor 0", 18},
		{"that is broken, and nothing fits", push.Options{ReplayBytes: 1}, func([]broker.Position) string { return "garbage" }, 2, "unknown_cursor 0", 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, newSlowHistory(time.Millisecond, broker.History{Messages: 10}), tt.options)
				defer w.shutdown()
				since := tt.since(w.publishNumbers(1, 20))
				want := func(place, last int) string {
					if tt.gap == "" {
						return numbers("hello", place+1, last)
					}
					return numbers(fmt.Sprintf("hello gap %s-%d", tt.gap, place), place+1, last)
				}
				for _, when := range []string{"first", "again"} { // when the window has them
					c := newConn()
					s := w.open(c)
					if answer := w.asks(s, tt.recent, since, "a")[0]; answer.From != session.FromCursor {
						t.Errorf("announced %+v", answer)
					}
					w.settle()
					if got := c.take(); got != want(tt.place, 20) {
						t.Errorf("%s: got %s, want %s", when, got, want(tt.place, 20))
					}
					s.Close(nil)
				}
				c := newConn()
				w.asks(w.open(c), tt.recent, since, "a")
				w.publish("a", "21") // while it is read: the last are those before it, or with it
				w.settle()
				if got := c.take(); got != want(tt.place, 21) && (tt.gap == "" || got != want(tt.place+1, 21)) {
					t.Errorf("racing: got %s, want %s", got, want(tt.place, 21))
				}
			})
		})
	}
}

// TestRecentOfATopicNewToTheCursor: a good cursor of other topics doesn't count.
func TestRecentOfATopicNewToTheCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		positions := w.publishNumbers(1, 5)
		w.publish("b", "b1")
		w.publish("b", "b2")
		c := newConn()
		answers := w.asks(w.open(c), 1, cursor.Format("a", positions[2]), "a", "b")
		if answers[0].From != session.FromCursor || answers[1].From != session.FromRecent {
			t.Errorf("announced %+v", answers)
		}
		synctest.Wait()
		if got := c.take(); got != "[hello 3 4 5 b2]" {
			t.Errorf("got %s", got)
		}
	})
}

// TestThousandAskForTheLastMessages: they share their reads, and a topic that goes on costs
// one read each time that the window ends.
func TestThousandAskForTheLastMessages(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spread time.Duration
		recent func(i int) int
		reads  int
	}{
		{"at once", 0, func(int) int { return 20 }, 1},
		{"at once, as many as they like", 0, func(i int) int { return 1 + i*7%30 }, 2},
		{"one after the other", 20 * time.Second, func(int) int { return 20 }, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const clients = 1000
				b := newSlowHistory(5*time.Millisecond, broker.History{})
				w := newWorld(t, b, push.Options{})
				defer w.shutdown()
				last := 40
				w.publishNumbers(1, last)
				w.open(newConn()) // so that the topic's feed is there
				conns, first := make([]*fakeConn, clients), make([]uint64, clients)
				for i := range clients {
					conns[i] = newConn()
					s := w.open(conns[i])
					go func() {
						at, err := cursor.Parse(w.asks(s, tt.recent(i), "", "a")[0].Cursor)
						place, ok := at.Position("a")
						if err != nil || !ok {
							t.Errorf("client %d: %v", i, err)
						}
						first[i] = place.Offset
					}()
					if tt.spread > 0 {
						time.Sleep(tt.spread / clients)
						synctest.Wait()
					}
					if i%100 == 99 {
						last++
						w.publish("a", fmt.Sprint(last))
					}
				}
				w.settle()
				for i, c := range conns {
					if got, want := c.take(), numbers("hello", int(first[i])+1, last); got != want {
						t.Fatalf("client %d got %s, want %s", i, got, want)
					}
					if came := uint64(40 + i/100); first[i]+uint64(tt.recent(i)) < came || first[i]+uint64(tt.recent(i)) > uint64(last) {
						t.Errorf("client %d came at %d, and begins at %d", i, came, first[i])
					}
				}
				if reads := b.reads(); reads > tt.reads {
					t.Errorf("%d reads, want at most %d", reads, tt.reads)
				}
			})
		})
	}
}

// TestRecentNeedsTheRightToResume, and counts as a resume in the limits.
func TestRecentNeedsTheRightToResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowHistory(time.Millisecond, broker.History{})
		w := newWorld(t, b, push.Options{
			Authorize: func(_ context.Context, a push.Access) error {
				if a.Action == push.ActionResume && a.Topic == "b" {
					return push.CodeForbidden
				}
				return nil
			},
			Limits: push.Limits{Resumes: push.Rate{PerSecond: 1, Burst: 2}},
		})
		defer w.shutdown()
		for _, topic := range []string{"a", "b", "c"} {
			w.publish(topic, topic)
		}
		s := w.come("203.0.113.1", "")
		for _, tt := range []struct {
			topic  string
			recent int
			want   push.Code
		}{{"b", 0, ""}, {"b", 1, push.CodeForbidden}, {"a", 1, ""}, {"c", 1, push.CodeRateLimited}} {
			answer := w.asks(s, tt.recent, "", tt.topic)[0]
			if answer.Err == nil && tt.want != "" || answer.Err != nil && answer.Err.Code != tt.want {
				t.Errorf("%s, the last %d: %+v", tt.topic, tt.recent, answer)
			}
			s.Unsubscribe([]string{tt.topic}, func() *session.Frame { return word("bye") })
		}
		if reads := b.reads(); reads != 1 {
			t.Errorf("%d reads, want 1", reads)
		}
	})
}

// TestRecentThatFails refuses the topic, and nothing else.
func TestRecentThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowHistory(time.Millisecond, broker.History{})
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		w.publishNumbers(1, 3)
		b.become(time.Millisecond, errors.New("down"))
		c := newConn()
		s := w.open(c)
		answers := w.asks(s, 2, "", "a", "b")
		if !errors.Is(answers[0].Err, push.CodeUnavailable) || answers[0].From != "" || answers[1].Err != nil {
			t.Errorf("announced %+v", answers)
		}
		b.become(time.Millisecond, nil)
		w.asks(s, 2, "", "a")
		w.settle()
		if got := c.take(); got != "[hello unavailable hello 2 3]" {
			t.Errorf("got %s", got)
		}
		b.become(time.Hour, nil)
		time.Sleep(windowLife)
		begun := time.Now()
		if _, answer := w.asksFor(2); !errors.Is(answer.Err, push.CodeUnavailable) || time.Since(begun) > 10*time.Second {
			t.Errorf("a read that takes too long: %+v after %v", answer, time.Since(begun))
		}
	})
}

// TestRecentWhileHistoryBreaks has the broker tell of another history at each moment of a
// client's beginning.
func TestRecentWhileHistoryBreaks(t *testing.T) {
	messages, others := chain(1, 10), chain(2, 5)
	page := func(of []*push.Message, n int, limit broker.Limit) push.Page {
		return push.Page{Head: of[n-1].Position, Messages: of[max(0, n-limit.Messages):n]}
	}
	breaks := func(r push.Receiver) {
		r.Break(broker.Gap{Reason: broker.GapEpoch, Now: others[3].Position})
		r.Receive(others[4])
	}
	for _, tt := range []struct {
		name   string
		since  string
		recent func(r push.Receiver, limit broker.Limit) push.Page
		then   func(r push.Receiver)
		want   string
	}{
		{"the broker is ahead", "", func(_ push.Receiver, limit broker.Limit) push.Page { return page(messages, 6, limit) },
			func(r push.Receiver) { r.Receive(messages[5]); r.Receive(messages[6]) }, "[hello 4 5 6 7]"},
		{"the broker is far ahead", "", func(_ push.Receiver, limit broker.Limit) push.Page { return page(messages, 8, limit) },
			func(r push.Receiver) { r.Receive(messages[5]); r.Receive(messages[6]); r.Receive(messages[7]) }, "[hello 6 7 8]"},
		{"while the place is read", "", func(r push.Receiver, limit broker.Limit) push.Page {
			breaks(r)
			return page(others, 5, limit)
		}, nil, "[hello 3 4 5]"},
		{"before this instance knows", "", func(_ push.Receiver, limit broker.Limit) push.Page { return page(others, 4, limit) },
			breaks, "[hello 2 3 4 5]"},
		{"behind a gap, before this instance knows", "garbage", func(_ push.Receiver, limit broker.Limit) push.Page { return page(others, 4, limit) },
			breaks, "[hello gap unknown_cursor 0-1 2 3 4 5]"},
		{"behind a gap, when this instance lags", cursor.Format("a", broker.Position{Epoch: 1, Offset: 29, Tag: 9}), func(_ push.Receiver, limit broker.Limit) push.Page { return page(messages, 10, limit) },
			func(r push.Receiver) {
				for _, m := range messages[5:] {
					r.Receive(m)
				}
			}, "[hello gap fork 29-7 8 9 10]"},
		{"behind a gap, of what this instance will find trimmed", cursor.Format("a", broker.Position{Epoch: 1, Offset: 6, Tag: 99}), func(_ push.Receiver, limit broker.Limit) push.Page { return page(messages, 10, limit) },
			func(r push.Receiver) { r.Break(broker.Gap{Reason: broker.GapTrimmed, Now: messages[9].Position}) }, "[hello gap trimmed 6-7 8 9 10]"},
		{"behind a gap, while it is read", "garbage", func(r push.Receiver, limit broker.Limit) push.Page {
			breaks(r)
			return page(others, 5, limit)
		}, nil, "[hello gap unknown_cursor 0-2 3 4 5]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &scripted{head: messages[4].Position}
				b.since = func(after broker.Position) (push.Page, error) {
					if after.Offset == 29 {
						return push.Page{Head: messages[9].Position, Gap: broker.GapFork}, nil
					}
					if after.Tag == 99 {
						return push.Page{Head: messages[9].Position, Gap: broker.GapTrimmed}, nil
					}
					if after.Epoch != 2 {
						return push.Page{Head: others[4].Position, Gap: broker.GapEpoch}, nil
					}
					return push.Page{Head: others[4].Position, Messages: others[after.Offset:]}, nil
				}
				broken := false
				b.recent = func(limit broker.Limit) (push.Page, error) {
					if tt.then == nil && broken {
						return page(others, 5, limit), nil
					}
					broken = true
					return tt.recent(b.receiver(), limit), nil
				}
				w := newWorld(t, b, push.Options{})
				defer w.shutdown()
				c := newConn()
				w.asks(w.open(c), 3, tt.since, "a")
				synctest.Wait()
				if tt.then != nil {
					tt.then(b.receiver())
				}
				synctest.Wait()
				if got := c.take(); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// TestRecentAheadOfAWindow has a client come from another instance to one that is behind it, and
// that has the last messages of before in memory. Its place is trimmed: it isn't led back.
func TestRecentAheadOfAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := chain(1, 10)
		b := &scripted{head: messages[4].Position}
		b.since = func(broker.Position) (push.Page, error) {
			return push.Page{Head: messages[9].Position, Gap: broker.GapTrimmed}, nil
		}
		end := 5
		b.recent = func(limit broker.Limit) (push.Page, error) {
			return push.Page{Head: messages[end-1].Position, Messages: messages[end-limit.Messages : end]}, nil
		}
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		other := newConn()
		w.asks(w.open(other), 3, "", "a")
		w.settle()
		if got := other.take(); got != "[hello 3 4 5]" {
			t.Errorf("the first client got %s", got)
		}
		end = 10
		c := newConn()
		w.asks(w.open(c), 3, cursor.Format("a", messages[5].Position), "a")
		w.settle()
		b.receiver().Break(broker.Gap{Reason: broker.GapTrimmed, Now: messages[9].Position})
		w.settle()
		if got := c.take(); got != "[hello gap trimmed 6-7 8 9 10]" {
			t.Errorf("got %s", got)
		}
	})
}

// TestRecentRacesWithPublishing has clients come at random moments of a topic that goes on:
// what they get is whole from the place that was announced, and reaches back as far as they
// asked.
func TestRecentRacesWithPublishing(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			b := newSlowHistory(8*time.Millisecond, broker.History{Messages: 400})
			w := newWorld(t, b, push.Options{ReplayMessages: 20})
			defer w.shutdown()
			last := 30
			w.publishNumbers(1, last)
			type client struct {
				conn       *fakeConn
				came, asks int
				announced  *string
			}
			var clients []client
			for range 300 {
				switch random.IntN(4) {
				case 0, 1:
					last++
					w.publish("a", fmt.Sprint(last))
				case 2:
					c := client{newConn(), last, 1 + random.IntN(30), new(string)}
					s := w.open(c.conn)
					go func() { *c.announced = w.asks(s, c.asks, "", "a")[0].Cursor }()
					clients = append(clients, c)
				case 3:
					time.Sleep(time.Duration(random.IntN(9)) * time.Millisecond)
					if random.IntN(20) == 0 {
						time.Sleep(time.Duration(random.IntN(6)) * time.Second)
					}
				}
			}
			w.settle()
			for i, c := range clients {
				at, err := cursor.Parse(*c.announced)
				place, _ := at.Position("a")
				if got, want := c.conn.take(), numbers("hello", int(place.Offset)+1, last); err != nil || got != want {
					t.Fatalf("seed %d, client %d got %s, want %s", seed, i, got, want)
				}
				if n := min(c.asks, 20); int(place.Offset) < c.came-n || int(place.Offset) > last-n {
					t.Errorf("seed %d: client %d came at %d, asked for %d and begins at %d", seed, i, c.came, c.asks, place.Offset)
				}
			}
		})
	}
}
