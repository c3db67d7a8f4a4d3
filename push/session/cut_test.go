package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestNothingIsWrittenAfterACut: what is queued for a client that is cut, or gone, isn't
// written any more, also if the client reads again at once.
func TestNothingIsWrittenAfterACut(t *testing.T) {
	tests := []struct {
		name   string
		cut    func(w *world, s *session.Session)
		reason error
	}{
		{"the queue is full", func(w *world, _ *session.Session) {
			for i := range 5 {
				w.publish("a", fmt.Sprint("more ", i))
			}
		}, push.CodeSlowConsumer},
		{"the client is gone", func(_ *world, s *session.Session) { s.Close(nil) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{QueueMessages: 5, QueueBytes: 1 << 20})
				defer w.shutdown()
				c := stalledConn()
				s := w.open(c)
				w.subscribe(s, "", "a")
				synctest.Wait() // the announcement is being written
				w.publish("a", "1")
				w.publish("a", "2")
				synctest.Wait()
				tt.cut(w, s)
				synctest.Wait()
				c.Abort() // reads again
				synctest.Wait()
				if got := c.take(); got != "[hello]" {
					t.Errorf("got %s", got)
				}
				ended, reason := c.end()
				if !ended || tt.reason != nil && !errors.Is(reason, tt.reason) || tt.reason == nil && reason != nil {
					t.Errorf("ended %v with %v", ended, reason)
				}
			})
		})
	}
}

// TestQueueIsWrittenBeforeAReason: a client that is told why it has to go gets first what
// is queued for it.
func TestQueueIsWrittenBeforeAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := stalledConn()
		s := w.open(c)
		w.subscribe(s, "", "a")
		synctest.Wait()
		w.publish("a", "1")
		synctest.Wait()
		s.Close(push.NewError(push.CodeForbidden, "", nil))
		s.Send(word("too late"))
		w.publish("a", "2")
		synctest.Wait()
		c.Abort()
		synctest.Wait()
		if got := c.take(); got != "[hello 1]" {
			t.Errorf("got %s", got)
		}
		if ended, reason := c.end(); !ended || !errors.Is(reason, push.CodeForbidden) {
			t.Errorf("ended %v with %v", ended, reason)
		}
	})
}

// TestFailedWriteIsTheLast: a client that takes nothing for the time of one write isn't
// given the time of another for what waits.
func TestFailedWriteIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := stalledConn()
		w.subscribe(w.open(c), "", "a")
		synctest.Wait()
		w.publish("a", "1")
		time.Sleep(c.timeout)
		synctest.Wait()
		if ended, reason := c.end(); !ended || !errors.Is(reason, push.CodeSlowConsumer) {
			t.Errorf("ended %v with %v", ended, reason)
		}
	})
}

// TestLargeQueueIsSeveralWrites: a client that reads slowly but steadily has the time of a
// write for each 64 KiB.
func TestLargeQueueIsSeveralWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{QueueMessages: 100, QueueBytes: 10 << 20})
		defer w.shutdown()
		c := &tallyConn{fakeConn: stalledConn()}
		s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c})
		if err != nil {
			t.Fatal(err)
		}
		w.subscribe(s, "", "a")
		synctest.Wait()
		for range 5 {
			w.publish("a", strings.Repeat("x", 32<<10))
		}
		synctest.Wait()
		c.Abort()
		synctest.Wait()
		if got := fmt.Sprint(c.writes); got != "[1 2 2 1]" {
			t.Errorf("frames by write: %s", got)
		}
	})
}

// tallyConn counts the frames of each write.
type tallyConn struct {
	*fakeConn
	writes []int
}

func (c *tallyConn) Write(frames []*session.Frame) error {
	c.writes = append(c.writes, len(frames))
	return c.fakeConn.Write(frames)
}

// countingBroker counts its receivers.
type countingBroker struct {
	*membroker.Broker
	mu         sync.Mutex
	receivers  map[string]int // of each topic
	subscribed int            // how often it was, apart from the hubs' own topic
}

func (b *countingBroker) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	b.mu.Lock()
	b.receivers[topic]++
	if !strings.HasPrefix(topic, broker.ReservedTopicPrefix) {
		b.subscribed++
	}
	b.mu.Unlock()
	return b.Broker.Subscribe(ctx, topic, r)
}

func (b *countingBroker) Unsubscribe(topic string, r push.Receiver) {
	b.mu.Lock()
	b.receivers[topic]--
	b.mu.Unlock()
	b.Broker.Unsubscribe(topic, r)
}

// TestShutdownLeavesNoSubscription: a hub that has ended hears nothing of its broker any
// more, neither of topics nor of other hubs.
func TestShutdownLeavesNoSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCountingBroker()
		w := newWorld(t, b, push.Options{})
		w.subscribe(w.open(newConn()), "", "a", "b")
		if err := w.hub.Revoke(t.Context(), push.Revocation{User: "eve"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(b.receivers) != 3 {
			t.Errorf("subscribed to %v, want two topics and that of the hubs", b.receivers)
		}
		w.shutdown()
		for topic, n := range b.receivers {
			if n != 0 {
				t.Errorf("%s: %d subscriptions are left", topic, n)
			}
		}
	})
}

// TestNamesOfEventsAreBounded: at 100 bytes.
func TestNamesOfEventsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		for n, want := range map[int]error{0: nil, 100: nil, 101: push.CodeBadRequest} {
			_, err := w.hub.Publish(t.Context(), push.Message{Topic: "a", Event: strings.Repeat("e", n)})
			if !errors.Is(err, want) {
				t.Errorf("an event's name of %d bytes: %v", n, err)
			}
		}
	})
}
