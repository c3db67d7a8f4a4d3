package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// linger is how long a feed outlives its last follower, and lingering how many do.
const (
	linger    = 5 * time.Second
	lingering = 1000
)

func newCountingBroker() *countingBroker {
	return &countingBroker{Broker: membroker.New(), receivers: map[string]int{}}
}

// wantSubscriptions fails unless so many subscriptions are open, of so many that there
// ever were.
func (b *countingBroker) wantSubscriptions(t *testing.T, open, ever int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for topic, receivers := range b.receivers {
		if !strings.HasPrefix(topic, broker.ReservedTopicPrefix) {
			n += receivers
		}
	}
	if n != open || b.subscribed != ever {
		t.Errorf("%d subscriptions are open, of %d; want %d of %d", n, b.subscribed, open, ever)
	}
}

func (w *world) wantTopics(want int) {
	w.t.Helper()
	if n := w.hub.Stats().Topics; n != want {
		w.t.Errorf("%d topics are followed, want %d", n, want)
	}
}

func leave(s *session.Session, topics ...string) {
	s.Unsubscribe(topics, func() *session.Frame { return word("bye") })
}

func closed(s *session.Session) {
	s.Close(nil)
	<-s.Done()
}

// TestReloadCostsNoSubscription has the only follower of a topic leave and come again:
// within the time the topic is still subscribed, and isn't a new one by the limits.
func TestReloadCostsNoSubscription(t *testing.T) {
	ways := map[string]func(w *world, s *session.Session) *session.Session{
		"on the same connection": func(_ *world, s *session.Session) *session.Session { leave(s, "a"); return s },
		"on another connection":  func(w *world, s *session.Session) *session.Session { closed(s); return w.come("203.0.113.1", "u") },
	}
	for name, reload := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newCountingBroker()
				w := newWorld(t, b, push.Options{Limits: push.Limits{Topics: push.Rate{PerSecond: 1e-6, Burst: 1}}})
				defer w.shutdown()
				s := w.come("203.0.113.1", "u")
				w.ask(s, "", "a")
				for range 5 {
					s = reload(w, s)
					w.wantTopics(0)
					time.Sleep(linger - time.Nanosecond)
					synctest.Wait()
					if refused, _ := w.ask(s, "", "a"); refused != 0 {
						t.Fatal("a topic that is still subscribed was refused")
					}
					w.wantTopics(1)
					time.Sleep(2 * linger) // nothing of the linger is left over for a topic that is followed
				}
				b.wantSubscriptions(t, 1, 1)
			})
		})
	}
}

// TestLingerEnds: after its time a topic is unsubscribed, counted from the last follower's
// leaving, and a new follower subscribes again.
func TestLingerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCountingBroker()
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		first, second := w.open(newConn()), w.open(newConn())
		w.subscribe(first, "", "a", "b")
		w.subscribe(second, "", "a")
		leave(first, "a", "b") // a is still followed
		time.Sleep(linger / 2)
		leave(second, "a")
		w.wantTopics(0)
		for _, step := range []struct {
			after time.Duration
			open  int
		}{
			{linger/2 - time.Nanosecond, 2},
			{time.Nanosecond, 1},
			{linger/2 - time.Nanosecond, 1},
			{time.Nanosecond, 0},
		} {
			time.Sleep(step.after)
			synctest.Wait()
			b.wantSubscriptions(t, step.open, 2)
		}
		w.subscribe(first, "", "a")
		b.wantSubscriptions(t, 1, 3)
		w.wantTopics(1)
		leave(first, "a")
		time.Sleep(linger)
		synctest.Wait()
		b.wantSubscriptions(t, 0, 3)
	})
}

// TestLingerIsBounded has a client follow and leave many made-up names: the oldest go
// first, none has a goroutine, and all are gone in the end.
func TestLingerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const names = 3 * lingering
		b := newCountingBroker()
		w := newWorld(t, b, push.Options{MaxTopics: names})
		defer w.shutdown()
		s := w.open(newConn())
		before := runtime.NumGoroutine()
		for i := range names {
			topic := fmt.Sprint(i)
			w.subscribe(s, "", topic)
			leave(s, topic)
			synctest.Wait()
		}
		b.wantSubscriptions(t, lingering, names)
		w.wantTopics(0)
		if now := runtime.NumGoroutine(); now > before+lingering/10 {
			t.Errorf("%d goroutines, %d before", now, before)
		}
		for _, i := range []int{names - lingering, names - 1} { // the oldest and the youngest that are left
			w.subscribe(s, "", fmt.Sprint(i))
		}
		b.wantSubscriptions(t, lingering, names)
		w.subscribe(s, "", fmt.Sprint(names-lingering-1)) // the one before is gone
		b.wantSubscriptions(t, lingering+1, names+1)
		time.Sleep(linger)
		synctest.Wait()
		b.wantSubscriptions(t, 3, names+1)
		w.wantTopics(3)
	})
}

// TestDrainEndsTheLinger: at once, however long the sessions take to end, and what is left
// afterwards doesn't linger.
func TestDrainEndsTheLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCountingBroker()
		w := newWorld(t, b, push.Options{DrainWindow: time.Minute})
		for range 100 {
			w.subscribe(w.open(newConn()), "", "followed")
		}
		stays := stalledConn()
		s := w.open(stays)
		w.subscribe(s, "", "a", "b")
		leave(s, "b")
		b.wantSubscriptions(t, 3, 3)
		begin := time.Now()
		w.hub.Drain()
		synctest.Wait()
		b.wantSubscriptions(t, 2, 3)
		leave(s, "a")
		b.wantSubscriptions(t, 1, 3)
		stays.Abort()
		w.shutdown()
		if took := time.Since(begin); took >= linger {
			t.Errorf("Shutdown took %v", took)
		}
		b.wantSubscriptions(t, 0, 3)
		time.Sleep(2 * linger)
		b.wantSubscriptions(t, 0, 3)
	})
}

// TestShutdownOfAHubWithoutClients unsubscribes from all that lingers, before it closes the
// broker, and takes no time.
func TestShutdownOfAHubWithoutClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCountingBroker()
		w := newWorld(t, &lateBroker{Broker: b, t: t}, push.Options{})
		s := w.open(newConn())
		w.subscribe(s, "", "a", "b", "c")
		closed(s)
		b.wantSubscriptions(t, 3, 3)
		begin := time.Now()
		w.shutdown()
		if took := time.Since(begin); took != 0 {
			t.Errorf("Shutdown took %v", took)
		}
		b.wantSubscriptions(t, 0, 3)
	})
}

// TestShutdownAtTheEndOfALinger waits for the unsubscribing that is under way.
func TestShutdownAtTheEndOfALinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCountingBroker()
		w := newWorld(t, &reluctantBroker{lateBroker{Broker: b, t: t}}, push.Options{})
		s := w.open(newConn())
		w.subscribe(s, "", "a", "b")
		closed(s)
		time.Sleep(linger + time.Millisecond)
		w.shutdown()
		b.wantSubscriptions(t, 0, 2)
	})
}

// reluctantBroker takes its time to unsubscribe, too.
type reluctantBroker struct{ lateBroker }

func (b *reluctantBroker) Unsubscribe(topic string, r push.Receiver) {
	time.Sleep(50 * time.Millisecond) //clock:virtual
	b.lateBroker.Unsubscribe(topic, r)
}

// TestResumeOfALingeringTopicHasNoSeam: what is published while nobody follows reaches a
// client that comes with its cursor, once, and one without a cursor begins after it.
func TestResumeOfALingeringTopicHasNoSeam(t *testing.T) {
	for name, window := range map[string]bool{"from history": false, "from the window": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counting := newCountingBroker()
				b := &slowHistory{Broker: counting, delay: 5 * time.Millisecond}
				w := newWorld(t, b, push.Options{})
				defer w.shutdown()
				positions := w.publishNumbers(1, 3)
				first := w.open(newConn())
				from, reads := positions[3], 1
				if window {
					from, reads = positions[1], 0 // it reads what came after the first
				}
				w.subscribe(first, cursor.Format("a", from), "a")
				w.settle()
				closed(first)
				b.reads()
				w.publishNumbers(4, 6)
				c := w.comesBack(positions[3])
				var now []session.Followed
				late := newConn()
				w.open(late).Subscribe(t.Context(), []session.Follow{{Topic: "a"}}, func(answers []session.Followed) *session.Frame {
					now = answers
					return hello(answers)
				})
				if now[0].From != session.FromNow || now[0].Cursor != w.cursor("a") {
					t.Errorf("announced %+v, want %s", now[0], w.cursor("a"))
				}
				w.publishNumbers(7, 8) // while history is read
				w.settle()
				if got := c.take(); got != numbers("hello", 4, 8) {
					t.Errorf("the client with a cursor got %s", got)
				}
				if got := late.take(); got != numbers("hello", 7, 8) {
					t.Errorf("the client without a cursor got %s", got)
				}
				if n := b.reads(); n != reads {
					t.Errorf("%d reads, want %d", n, reads)
				}
				counting.wantSubscriptions(t, 1, 1)
			})
		})
	}
}

// TestBreakWhileLingering: a client that comes afterwards gets the gap, and what follows
// it. Its window, which was of the old chain, is gone.
func TestBreakWhileLingering(t *testing.T) {
	messages, other := chain(1, 5), chain(2, 3)
	forked := *messages[3]
	forked.PreviousTag = 99
	tests := map[string]struct {
		breaks func(push.Receiver)
		page   push.Page     // what the broker then says to the client
		next   *push.Message // what comes next
		want   string
	}{
		"by the broker": {
			func(r push.Receiver) { r.Break(broker.Gap{Reason: broker.GapEpoch, Now: other[1].Position}) },
			push.Page{Gap: broker.GapEpoch, Head: other[1].Position}, other[2], "[hello gap epoch 2-2 3]",
		},
		"by a message": {
			func(r push.Receiver) { r.Receive(&forked) },
			push.Page{Gap: broker.GapFork, Head: forked.Position}, messages[4], "[hello gap fork 2-4 5]",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				subscribed, page := 0, push.Page{Messages: messages[1:3]}
				b := &scripted{
					head:      messages[2].Position,
					subscribe: func(push.Receiver) error { subscribed++; return nil },
					since:     func(broker.Position) (push.Page, error) { return page, nil },
				}
				w := newWorld(t, b, push.Options{})
				defer w.shutdown()
				first := w.open(newConn())
				w.subscribe(first, cursor.Format("a", messages[0].Position), "a")
				synctest.Wait()
				closed(first)
				w.wantWindows(1)
				test.breaks(b.receiver())
				w.wantWindows(0)
				page = test.page
				c := w.comesBack(messages[1].Position)
				synctest.Wait()
				b.receiver().Receive(test.next)
				synctest.Wait()
				if got := c.take(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if subscribed != 1 {
					t.Errorf("%d subscriptions", subscribed)
				}
			})
		})
	}
}

// TestWhatDidNotOpenDoesNotLinger: a topic that the broker refuses is asked about again by
// the next follower, and one that its only follower left before the broker's answer is
// unsubscribed with that.
func TestWhatDidNotOpenDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuses, asked, answer := true, 0, make(chan struct{})
		b := &scripted{head: broker.Position{Epoch: 1}, subscribe: func(push.Receiver) error {
			asked++
			if refuses {
				return push.NewError(push.CodeUnavailable, "down", nil)
			}
			<-answer
			return nil
		}}
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		s := w.open(newConn())
		for range 3 {
			w.subscribe(s, "", "a")
			w.wantTopics(0)
		}
		refuses = false
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Subscribe(ctx, []session.Follow{{Topic: "a"}}, func(answers []session.Followed) *session.Frame {
			if !errors.Is(answers[0].Err, push.CodeTimeout) {
				t.Errorf("answered %v", answers[0].Err)
			}
			return nil
		})
		w.wantTopics(0)
		close(answer)
		synctest.Wait()
		if n := b.subscriptions(); n != 0 || asked != 4 {
			t.Errorf("%d subscriptions are left of %d", n, asked)
		}
	})
}

// TestWindowsOfLingeringTopicsAreBounded: they count with all others, and end with their
// time, at the latest with the linger.
func TestWindowsOfLingeringTopicsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := chain(1, 3)
		messages[1].Data = make([]byte, 1<<20-1000)
		b := &scripted{head: messages[1].Position, since: func(broker.Position) (push.Page, error) {
			return push.Page{Messages: messages[1:2]}, nil
		}}
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		for i := range 80 {
			topic := fmt.Sprint(i)
			s := w.open(newConn())
			w.subscribe(s, cursor.Format(topic, messages[0].Position), topic)
			synctest.Wait()
			closed(s)
		}
		if kept, bytes := session.Of(w.hub).Windows(); kept < 32 || kept > 64 || bytes > 64<<20 || bytes < 63<<20 {
			t.Errorf("%d windows with %d bytes", kept, bytes)
		}
		w.wantMemory()
		time.Sleep(linger)
		synctest.Wait()
		w.wantWindows(0)
		w.wantMemory()
	})
}
