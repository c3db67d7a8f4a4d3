package session_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// stateAnswer is a connection that brings one answer, as a poll does: it ends when it has
// brought something and there is no more.
type stateAnswer struct {
	*stateConn
	session *session.Session
	before  int // changes and resets that the client had
}

func (a *stateAnswer) Idle() {
	c := a.client
	c.mu.Lock()
	done := c.changes+c.resets > a.before && c.synced
	c.mu.Unlock()
	if done {
		a.session.Close(nil)
	}
}

// pollState polls once, and reports whether the answer brought anything in time.
func (w *world) pollState(format *stateFormat, c *stateClient, wait time.Duration) bool {
	w.t.Helper()
	a := &stateAnswer{stateConn: &stateConn{client: c, cut: make(chan struct{})}, before: c.changes + c.resets}
	s, err := session.Of(w.hub).Open(session.Client{Format: format, Conn: a})
	if err != nil {
		w.t.Fatal(err)
	}
	a.session = s
	c.synced = false
	s.Subscribe(w.t.Context(), []session.Follow{{Topic: c.topic, Since: c.cursor, State: true}}, hello)
	select {
	case <-s.Done():
	case <-time.After(wait): //clock:virtual
		s.Close(nil)
		<-s.Done()
		if c.changes+c.resets > a.before {
			w.t.Errorf("an answer isn't whole after %v", wait)
		}
	}
	return c.changes+c.resets > a.before
}

// count returns how many frames the client has got.
func (c *stateClient) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames
}

func newIntervalWorld(t *testing.T, interval time.Duration) (*world, *lossyBroker, *stateFormat) {
	t.Helper()
	b := &lossyBroker{late: func() time.Duration { return time.Millisecond }}
	b.Broker = membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true, Interval: interval}}})
	return newWorld(t, b, push.Options{}), b, &stateFormat{}
}

// TestPollsConverge has clients poll a state that is told in intervals, while it changes and
// the chain breaks: what they get never goes back, they get no more answers than the intervals
// allow, and in the end they have the map.
func TestPollsConverge(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const interval = 500 * time.Millisecond
				w, b, format := newIntervalWorld(t, interval)
				defer w.shutdown()
				r := rand.New(rand.NewPCG(seed, 1))
				for i := range 20 { // a snapshot takes several writes
					w.set(fmt.Sprint("large", i), strings.Repeat("x", 2<<10))
				}
				over := make(chan struct{})
				var wait sync.WaitGroup
				clients := make([]*stateClient, 4)
				for i := range clients {
					c := newStateClient()
					clients[i] = c
					wait.Go(func() {
						for answers, began := 0, time.Now(); ; {
							if w.pollState(format, c, 2*time.Second) {
								answers++
							}
							select {
							case <-over:
								if most := 4 + 2*c.resets + int(time.Since(began)/interval); answers > most { //clock:virtual
									t.Errorf("client %d got %d answers and %d resets in %v", i, answers, c.resets, time.Since(began))
								}
								return
							case <-time.After(rand.N(100 * time.Millisecond)): //clock:virtual
							}
						}
					})
				}
				for i := range 300 {
					w.randomChange(t.Context(), r, 30)
					if i%100 == 50 {
						b.lose(1 + r.IntN(3))
					}
					time.Sleep(rand.N(40 * time.Millisecond)) //clock:virtual
				}
				time.Sleep(5 * time.Second) //clock:virtual
				close(over)
				wait.Wait()
				for i, c := range clients {
					w.wantMap(fmt.Sprint("client ", i), c)
				}
				if w.hub.Stats().Resets == 0 {
					t.Error("nothing broke")
				}
			})
		})
	}
}

// TestPollThatWaitsIsReset has the chain break while a poll waits for the end of the interval:
// its answer is the whole map.
func TestPollThatWaitsIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, format := newIntervalWorld(t, time.Second)
		defer w.shutdown()
		for i := range 20 { // several writes
			w.set(fmt.Sprint("large", i), strings.Repeat("x", 2<<10))
		}
		c := newStateClient()
		for i := range 2 {
			if !w.pollState(format, c, time.Second) {
				t.Errorf("poll %d isn't answered", i)
			}
			w.set("k", fmt.Sprint(i))
			time.Sleep(2 * time.Millisecond) //clock:virtual
		}
		answered := make(chan bool)
		go func() { answered <- w.pollState(format, c, 10*time.Second) }()
		synctest.Wait()
		b.lose(1)
		w.set("k", "lost")
		w.set("k", "last")
		if !<-answered || c.resets != 1 {
			t.Errorf("%d resets", c.resets)
		}
		w.wantMap("after the reset", c)
	})
}

// TestWhoComesBackWaitsForNoInterval: a client that isn't polling gets what it has missed at
// once, and those that have stayed get it when the interval is over.
func TestWhoComesBackWaitsForNoInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, format := newIntervalWorld(t, time.Second)
		defer w.shutdown()
		stays, comes := newStateClient(), newStateClient()
		w.followState(format, stays)
		s, _ := w.followState(format, comes)
		time.Sleep(10 * time.Second) //clock:virtual
		for i := range 20 {
			s.Close(nil)
			<-s.Done()
			frames := stays.count()
			w.set("k", fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond) //clock:virtual
			s, _ = w.followState(format, comes)
			synctest.Wait()
			w.wantMap("who comes back", comes)
			if told := stays.count() - frames; told != 0 && i%10 != 0 {
				t.Errorf("after change %d: %d frames", i, told)
			}
		}
		time.Sleep(time.Second) //clock:virtual
		w.wantMap("who has stayed", stays)
	})
}
