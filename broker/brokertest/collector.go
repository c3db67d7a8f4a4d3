package brokertest

import (
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// collector is a Receiver that queues what it receives, for a test that checks the
// chain.
type collector struct {
	t    testing.TB
	news chan struct{} // holds one if something may have come

	mu     sync.Mutex // guards the rest
	events []event
}

// event is a message or a gap.
type event struct {
	message *push.Message // nil for a gap
	gap     broker.Gap
}

func newCollector(t testing.TB) *collector {
	return &collector{t: t, news: make(chan struct{}, 1)}
}

func (c *collector) Receive(m *push.Message) { c.add(event{message: m}) }
func (c *collector) Break(gap broker.Gap)    { c.add(event{gap: gap}) }

func (c *collector) add(e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// pop removes the oldest event.
func (c *collector) pop() (e event, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) == 0 {
		return event{}, false
	}
	e = c.events[0]
	c.events = c.events[1:]
	return e, true
}

// waiting is the number of events in the queue.
func (c *collector) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events)
}

// event waits for the next event after a position and moves the position on. A
// message must continue it.
func (c *collector) event(at *broker.Position) event {
	c.t.Helper()
	timeout := time.After(testaid.Patience) //clock:real it ends a broken test
	for {
		e, ok := c.pop()
		switch {
		case ok && e.message == nil:
			*at = e.gap.Now
			return e
		case ok && !e.message.Follows(*at):
			c.t.Fatalf("message %+v does not continue %+v", e.message.Position, *at)
		case ok:
			*at = e.message.Position
			return e
		}
		select {
		case <-c.news:
		case <-timeout:
			c.t.Fatalf("nothing came after %+v", *at)
		}
	}
}

// next waits for one message, which must continue at.
func (c *collector) next(at *broker.Position) *push.Message {
	c.t.Helper()
	e := c.event(at)
	if e.message == nil {
		c.t.Fatalf("unexpected gap %+v", e.gap)
	}
	return e.message
}

// reach waits until the collector is at the head. Each message must continue the
// one before, unless a gap is between them. It returns the gaps.
func (c *collector) reach(at *broker.Position, head broker.Position) (gaps []broker.Gap) {
	c.t.Helper()
	for *at != head {
		last := *at
		e := c.event(at)
		if e.message != nil {
			continue
		}
		if e.gap.Reason == "" || e.gap.Now.IsZero() || e.gap.Now == last {
			c.t.Fatalf("gap %+v at %+v says nothing", e.gap, last)
		}
		gaps = append(gaps, e.gap)
	}
	return gaps
}
