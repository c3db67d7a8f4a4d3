package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// gate is an Authorize whose answer for topic "a" can be changed.
type gate struct {
	asked  atomic.Int64
	mu     sync.Mutex
	answer func() error
}

func (g *gate) set(answer func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}

func (g *gate) authorize(_ context.Context, a push.Access) error {
	g.asked.Add(1)
	g.mu.Lock()
	answer := g.answer
	g.mu.Unlock()
	if a.Topic != "a" || answer == nil {
		return nil
	}
	return answer()
}

func forbidden() error { return push.CodeForbidden }

// TestRightsAreAskedAgain: a client loses a topic while it is connected. Nothing of it
// comes any more, and of the other topic nothing is lost or doubled.
func TestRightsAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		w := newWorld(t, nil, push.Options{Authorize: g.authorize, Recheck: time.Minute})
		defer w.shutdown()
		c := newConn()
		s := w.open(c)
		w.subscribe(s, "", "a", "b")
		var lastB broker.Position
		second := func(i int) {
			w.publish("a", fmt.Sprint("a", i))
			at := w.publish("b", fmt.Sprint("b", i)).Position
			if ended, _ := c.end(); !ended {
				lastB = at
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		for i := range 30 {
			second(i)
		}
		g.set(forbidden)
		withdrawn := 30
		for ended := false; !ended; withdrawn++ {
			second(withdrawn)
			ended, _ = c.end()
		}
		if withdrawn < 59 || withdrawn > 68 {
			t.Errorf("the topic was lost after %d s", withdrawn)
		}
		if _, reason := c.end(); !errors.Is(reason, push.CodeDraining) {
			t.Errorf("ended with %v", reason)
		}
		got := strings.Fields(strings.Trim(c.take(), "[]"))
		if got[len(got)-1] != "reconnect" {
			t.Fatalf("the last is %q", got[len(got)-1])
		}
		again := newConn()
		w.subscribe(w.open(again), cursor.Format("b", lastB), "a", "b")
		for i := range 100 {
			second(withdrawn + i)
		}
		all := append(got, strings.Fields(strings.Trim(again.take(), "[]"))...)
		var b []string
		for _, word := range all {
			if strings.HasPrefix(word, "b") {
				b = append(b, word)
			}
		}
		for i, word := range b {
			if word != fmt.Sprint("b", i) {
				t.Fatalf("message %d of b is %q", i, word)
			}
		}
		if len(b) != withdrawn+100 {
			t.Errorf("%d messages of b", len(b))
		}
		if rest := fmt.Sprint(all[len(got):]); strings.Contains(rest, " a") || !strings.HasPrefix(rest, "[hello forbidden ") {
			t.Errorf("afterwards came %s", rest)
		}
		if stats := w.hub.Stats(); stats.Withdrawn != 1 || stats.Unanswered != 0 || stats.Closed[push.CodeDraining] != 1 {
			t.Errorf("stats %+v", stats)
		}
	})
}

// TestNoAnswerIsNoRefusal: who can't be asked about stays, and is asked about again.
func TestNoAnswerIsNoRefusal(t *testing.T) {
	for name, answer := range map[string]func() error{
		"timeout":     func() error { time.Sleep(time.Minute); return push.CodeForbidden },
		"unavailable": func() error { return push.CodeUnavailable },
		"rate":        func() error { return push.NewError(push.CodeRateLimited, "later", nil) },
		"panic":       func() error { panic("in the application") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gate{}
				w := newWorld(t, nil, push.Options{Authorize: g.authorize, Recheck: time.Minute})
				defer w.shutdown()
				c := newConn()
				w.subscribe(w.open(c), "", "a", "b")
				g.set(answer)
				time.Sleep(10 * time.Minute)
				w.publish("a", "m")
				synctest.Wait()
				if got := c.take(); got != "[hello m]" {
					t.Errorf("got %s", got)
				}
				// 2 when it came, and then 2 every 60 to 66 s, to which 5 may be added by the timeout.
				if n := g.asked.Load(); n < 2+2*8 || n > 2+2*9 {
					t.Errorf("asked %d times", n)
				}
				again := uint64(g.asked.Load()/2 - 1) // the last may be under way
				if stats := w.hub.Stats(); stats.Unanswered < again-1 || stats.Unanswered > again || stats.Withdrawn != 0 {
					t.Errorf("%d unanswered, %d withdrawn", stats.Unanswered, stats.Withdrawn)
				}
				g.set(forbidden)
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if ended, _ := c.end(); !ended {
					t.Error("a refusal after that changed nothing")
				}
			})
		})
	}
}

// TestRechecksAreBounded: however many sessions are due, and however long Authorize
// takes, only so many are asked about at once. All have their turn.
func TestRechecksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions, greatest, takes = 400, 16, 4 * time.Second
		var connected atomic.Bool
		var asking, most, asked atomic.Int64
		w := newWorld(t, nil, push.Options{
			Recheck: time.Minute,
			Authorize: func(context.Context, push.Access) error {
				if connected.Load() {
					most.Store(max(most.Load(), asking.Add(1)))
					time.Sleep(takes)
					asking.Add(-1)
					asked.Add(1)
				}
				return nil
			},
		})
		defer w.shutdown()
		for range sessions {
			w.subscribe(w.open(newConn()), "", "a")
		}
		connected.Store(true)
		time.Sleep(66*time.Second + sessions/greatest*takes + time.Second)
		if n := asked.Load(); n < sessions {
			t.Errorf("%d of %d sessions had their turn", n, sessions)
		}
		if n := most.Load(); n > greatest {
			t.Errorf("%d were asked about at once", n)
		}
	})
}

// TestRightsAreNotAskedAgainByDefault: that is a question to the application's database
// for each topic of each client.
func TestRightsAreNotAskedAgainByDefault(t *testing.T) {
	for _, interval := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			g := &gate{}
			w := newWorld(t, nil, push.Options{Authorize: g.authorize, Recheck: interval})
			defer w.shutdown()
			w.subscribe(w.open(newConn()), "", "a", "b")
			time.Sleep(24 * time.Hour)
			if n := g.asked.Load(); n != 2 {
				t.Errorf("with %v it was asked %d times", interval, n)
			}
		})
	}
}

// TestWhatIsQueuedIsDropped: a client that reads slowly gets nothing more of a topic
// that it has lost, however much waited, and is asked to come back even though its
// queue was full.
func TestWhatIsQueuedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		w := newWorld(t, nil, push.Options{Authorize: g.authorize, Recheck: time.Minute, QueueMessages: 10})
		defer w.shutdown()
		c := newConn()
		c.timeout = time.Hour
		w.subscribe(w.open(c), "", "a", "b")
		synctest.Wait()
		c.mu.Lock()
		c.stalled = true
		c.mu.Unlock()
		w.publish("a", "under way")
		synctest.Wait()
		for i := range 9 {
			w.publish("ab"[i%2:i%2+1], "queued")
		}
		g.set(forbidden)
		time.Sleep(70 * time.Second)
		c.Abort() // which makes it read on
		synctest.Wait()
		if got := c.take(); got != "[hello under way reconnect]" {
			t.Errorf("got %s", got)
		}
	})
}

// TestSessionsAreDueOnce has clients give new identities without end while no question is
// answered, and then leave: what is to be asked doesn't grow with what they send.
func TestSessionsAreDueOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var hung atomic.Bool
		w := newWorld(t, nil, push.Options{Authorize: func(context.Context, push.Access) error {
			if hung.Load() {
				<-release
			}
			return nil
		}})
		defer w.shutdown()
		defer close(release)
		const clients = 50
		var sessions []*session.Session
		for range clients {
			sessions = append(sessions, w.login(newConn(), "ann", "a"))
		}
		hung.Store(true)
		for range 20 {
			for _, s := range sessions {
				if _, err := session.Of(w.hub).Refresh(t.Context(), s.ID(), push.Identity{User: "ann"}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		if n := session.Of(w.hub).Due(); n > clients {
			t.Errorf("%d are due for %d sessions", n, clients)
		}
		for _, s := range sessions {
			s.Close(nil)
			<-s.Done()
		}
		synctest.Wait()
		if n := session.Of(w.hub).Due(); n != 0 {
			t.Errorf("%d are due for none", n)
		}
	})
}
