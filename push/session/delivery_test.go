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
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

func TestSlowConsumerIsCutAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{QueueMessages: 10, QueueBytes: 1 << 20})
		defer w.shutdown()
		slow, healthy := stalledConn(), newConn()
		w.subscribe(w.open(slow), "", "a")
		w.subscribe(w.open(healthy), "", "a")
		synctest.Wait()
		want := "hello"
		for i := range 30 {
			w.publish("a", fmt.Sprint(i))
			want += fmt.Sprint(" ", i)
			synctest.Wait()
		}
		if got := healthy.take(); got != "["+want+"]" {
			t.Errorf("the healthy client got %s", got)
		}
		time.Sleep(5 * time.Second) // the slow one's write takes its timeout
		synctest.Wait()
		if ended, reason := slow.end(); !ended || !errors.Is(reason, push.CodeSlowConsumer) {
			t.Errorf("ended %v with %v", ended, reason)
		}
		stats := w.hub.Stats()
		if stats.Closed[push.CodeSlowConsumer] != 1 || stats.Sessions != 1 {
			t.Errorf("stats %+v", stats)
		}
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{QueueBytes: 10_000})
		defer w.shutdown()
		c := stalledConn()
		s := w.open(c)
		s.Send(word(strings.Repeat("x", 50_000))) // one frame always fits
		synctest.Wait()
		s.Send(word("y"))
		close(c.resume)
		<-s.Done()
		if _, reason := c.end(); !errors.Is(reason, push.CodeSlowConsumer) {
			t.Errorf("ended with %v", reason)
		}
	})
}

func TestWriteTimeoutIsASlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := stalledConn()
		s := w.open(c)
		s.Send(word("x"))
		begin := time.Now()
		<-s.Done()
		if _, reason := c.end(); !errors.Is(reason, push.CodeSlowConsumer) || time.Since(begin) != 5*time.Second {
			t.Errorf("ended with %v after %v", reason, time.Since(begin))
		}
	})
}

// scripted is a broker that does as it is told.
type scripted struct {
	mu        sync.Mutex
	head      broker.Position
	receivers map[push.Receiver]int

	subscribe func(push.Receiver) error                // called by Subscribe
	since     func(broker.Position) (push.Page, error) // called by Since
	recent    func(broker.Limit) (push.Page, error)    // called by Recent; without it there is nothing
	publish   func(push.Message) (push.Receipt, error) // called by Publish
}

func (b *scripted) Publish(_ context.Context, m push.Message) (push.Receipt, error) {
	return b.publish(m)
}

func (b *scripted) Subscribe(_ context.Context, _ string, r push.Receiver) (broker.Position, error) {
	if b.subscribe != nil {
		if err := b.subscribe(r); err != nil {
			return broker.Position{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.receivers == nil {
		b.receivers = map[push.Receiver]int{}
	}
	b.receivers[r]++
	return b.head, nil
}

func (b *scripted) Unsubscribe(_ string, r push.Receiver) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.receivers[r]--
	if b.receivers[r] == 0 {
		delete(b.receivers, r)
	}
}

func (b *scripted) Since(_ context.Context, _ string, after broker.Position, _ broker.Limit) (push.Page, error) {
	page, err := b.since(after)
	if page.Head.IsZero() { // the script doesn't say that the topic has moved on
		page.Head = b.head
	}
	return page, err
}

func (b *scripted) Recent(_ context.Context, _ string, limit broker.Limit) (push.Page, error) {
	if b.recent != nil {
		return b.recent(limit)
	}
	return push.Page{Head: b.head}, nil
}

func (b *scripted) Close(context.Context) error { return nil }

func (b *scripted) subscriptions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.receivers)
}

func (b *scripted) receiver() push.Receiver {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.receivers {
		return r
	}
	return nil
}

// chain makes messages 1 to n of one epoch; the tag of each is its offset.
func chain(epoch broker.Epoch, n int) []*push.Message {
	var messages []*push.Message
	for i := 1; i <= n; i++ {
		messages = append(messages, &push.Message{
			ID: fmt.Sprint(i), Topic: "a", Data: fmt.Append(nil, i),
			Position:    broker.Position{Epoch: epoch, Offset: uint64(i), Tag: uint32(i)},
			PreviousTag: uint32(i - 1),
		})
	}
	return messages
}

func TestMessagesBeforeSubscribeReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := chain(1, 4)
		broker := &scripted{head: messages[1].Position, subscribe: func(r push.Receiver) error {
			r.Receive(messages[2])
			return nil
		}}
		w := newWorld(t, broker, push.Options{})
		defer w.shutdown()
		c := newConn()
		w.subscribe(w.open(c), cursor.Format("a", messages[2].Position), "a")
		broker.receiver().Receive(messages[3])
		synctest.Wait()
		if got := c.take(); got != "[hello 4]" {
			t.Errorf("got %s", got)
		}
	})
}

func TestBrokenChainIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages, other := chain(1, 5), chain(2, 3)
		b := &scripted{head: messages[0].Position}
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		c := newConn()
		w.subscribe(w.open(c), "", "a")
		r := b.receiver()
		r.Receive(messages[1])
		r.Receive(messages[3]) // 3 is lost
		forked := *messages[4]
		forked.PreviousTag = 99
		r.Receive(&forked)
		r.Receive(other[2])
		r.Break(broker.Gap{Reason: broker.GapTrimmed, Now: messages[0].Position})
		r.Receive(messages[1])
		synctest.Wait()
		if got := c.take(); got != "[hello 2 gap fork 2-3 4 gap fork 4-4 5 gap epoch 5-2 3 gap trimmed 3-1 2]" {
			t.Errorf("got %s", got)
		}
	})
}

// replaying is a world in which a client has asked for what it missed, and the
// broker is still thinking.
func replaying(t *testing.T, messages []*push.Message) (w *world, r push.Receiver, c *fakeConn, answer func(push.Page, error)) {
	t.Helper()
	type result struct {
		page push.Page
		err  error
	}
	results := make(chan result)
	broker := &scripted{head: messages[2].Position, since: func(broker.Position) (push.Page, error) {
		r := <-results
		return r.page, r.err
	}}
	w = newWorld(t, broker, push.Options{})
	c = newConn()
	w.subscribe(w.open(c), cursor.Format("a", messages[0].Position), "a")
	synctest.Wait()
	if got := c.take(); got != "[hello]" {
		t.Fatalf("got %s", got)
	}
	return w, broker.receiver(), c, func(page push.Page, err error) {
		results <- result{page, err}
		synctest.Wait()
	}
}

func TestReplayAndLiveHaveNoSeam(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := chain(1, 6)
		w, r, c, answer := replaying(t, messages)
		defer w.shutdown()
		r.Receive(messages[3])
		r.Receive(messages[4])
		synctest.Wait()
		if got := c.take(); got != "[]" {
			t.Errorf("before the replay came %s", got)
		}
		// The broker has read 4 already; it must come once.
		answer(push.Page{Messages: messages[1:4], Head: messages[3].Position}, nil)
		r.Receive(messages[5])
		synctest.Wait()
		if got := c.take(); got != "[2 3 4 5 6]" {
			t.Errorf("got %s", got)
		}
	})
}

func TestReplayIsWholeOrAGap(t *testing.T) {
	forked := chain(1, 3)
	forked[2].Tag = 99
	tests := []struct {
		name string
		page push.Page
		want string
	}{
		{"trimmed", push.Page{Gap: broker.GapTrimmed}, "[gap trimmed 1-3 4 5]"},
		{"epoch", push.Page{Gap: broker.GapEpoch}, "[gap epoch 1-3 4 5]"},
		{"not to the end", push.Page{Messages: chain(1, 2)[1:]}, "[gap too_many 1-3 4 5]"},
		{"nothing", push.Page{}, "[gap too_many 1-3 4 5]"},
		{"with a hole", push.Page{Messages: chain(1, 3)[2:]}, "[gap fork 1-3 4 5]"},
		{"to another end", push.Page{Messages: forked[1:]}, "[gap fork 1-3 4 5]"},
		{"of another epoch", push.Page{Messages: chain(2, 3)[1:]}, "[gap fork 1-3 4 5]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				messages := chain(1, 5)
				w, r, c, answer := replaying(t, messages)
				defer w.shutdown()
				r.Receive(messages[3])
				answer(test.page, nil)
				r.Receive(messages[4])
				synctest.Wait()
				if got := c.take(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}

func TestBreakWhileReplaying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages, other := chain(1, 4), chain(2, 2)
		w, r, c, answer := replaying(t, messages)
		defer w.shutdown()
		r.Receive(messages[3])
		r.Break(broker.Gap{Reason: broker.GapEpoch, Now: other[0].Position})
		r.Receive(other[1])
		synctest.Wait()
		answer(push.Page{Messages: messages[1:3]}, nil)
		if got := c.take(); got != "[gap epoch 1-1 2]" {
			t.Errorf("got %s", got)
		}
	})
}

// TestBreakAfterTheReplayWasRead: it is whole, and goes first. The gap is from where it
// ended, and what was kept back for after it counts no longer.
func TestBreakAfterTheReplayWasRead(t *testing.T) {
	for _, kept := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			messages, other := chain(1, 5), chain(2, 2)
			for _, m := range messages {
				m.Data = append(m.Data, strings.Repeat("x", 80<<10)...) // a write each
			}
			b := &scripted{head: messages[2].Position, since: func(broker.Position) (push.Page, error) {
				return push.Page{Messages: messages[1:3]}, nil
			}}
			w := newWorld(t, b, push.Options{})
			defer w.shutdown()
			c := stalledConn()
			c.timeout = time.Hour
			s := w.open(c)
			w.subscribe(s, cursor.Format("a", messages[0].Position), "a")
			synctest.Wait() // the announcement is being written
			r := b.receiver()
			c.once.Do(func() {}) // Abort is Shutdown's
			c.resume <- struct{}{}
			synctest.Wait() // and now the first part of the replay
			for _, m := range messages[3 : 3+kept] {
				r.Receive(m)
			}
			r.Break(broker.Gap{Reason: broker.GapFork, Now: other[0].Position})
			r.Receive(other[1])
			synctest.Wait()
			close(c.resume)
			synctest.Wait()
			got := strings.ReplaceAll(c.take(), strings.Repeat("x", 80<<10), "")
			if got != "[hello 2 3 gap epoch 3-1 2]" {
				t.Errorf("with %d kept back: got %s", kept, got)
			}
			if n := s.Waiting(); n != 0 {
				t.Errorf("with %d kept back: %d frames count, and none waits", kept, n)
			}
		})
	}
}

func TestHistoryThatCannotBeReadEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, c, answer := replaying(t, chain(1, 3))
		defer w.shutdown()
		answer(push.Page{}, errors.New("down"))
		if ended, reason := c.end(); !ended || !errors.Is(reason, push.CodeUnavailable) {
			t.Errorf("ended %v with %v", ended, reason)
		}
	})
}

func TestUnsubscribeWhileReplaying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := chain(1, 3)
		results := make(chan push.Page)
		broker := &scripted{head: messages[2].Position, since: func(broker.Position) (push.Page, error) { return <-results, nil }}
		w := newWorld(t, broker, push.Options{})
		defer w.shutdown()
		c := newConn()
		s := w.open(c)
		w.subscribe(s, cursor.Format("a", messages[0].Position), "a")
		synctest.Wait()
		s.Unsubscribe([]string{"a"}, func() *session.Frame { return word("bye") })
		results <- push.Page{Messages: messages[1:]}
		synctest.Wait()
		if got := c.take(); got != "[hello bye]" {
			t.Errorf("got %s", got)
		}
		time.Sleep(linger)
		synctest.Wait()
		if n := broker.subscriptions(); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	})
}

func TestReplayOfOneTopicLeavesOthersLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		before := w.cursor("a")
		for i := range 500 {
			w.publish("a", fmt.Sprintf("%d %s", i, strings.Repeat("x", 1500)))
		}
		c := newConn()
		s := w.open(c)
		w.subscribe(s, "", "b")
		w.subscribe(s, before, "a")
		w.publish("b", "live")
		synctest.Wait()
		got := c.take()
		if strings.Count(got, "xxx ")+1 < 499 || !strings.Contains(got, " 499 x") {
			t.Errorf("the replay is not whole")
		}
		if strings.Index(got, "live") > strings.Index(got, " 499 x") {
			t.Errorf("the live message came after the whole replay")
		}
	})
}

func TestBrokerThatRefusesATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		broker := &scripted{head: broker.Position{Epoch: 1}, subscribe: func(push.Receiver) error {
			if down {
				return push.NewError(push.CodeUnavailable, "down", nil)
			}
			return nil
		}}
		w := newWorld(t, broker, push.Options{})
		defer w.shutdown()
		c := newConn()
		s := w.open(c)
		w.subscribe(s, "", "a")
		down = false
		w.subscribe(s, "", "a")
		synctest.Wait()
		if got := c.take(); got != "[hello unavailable hello]" {
			t.Errorf("got %s", got)
		}
	})
}
