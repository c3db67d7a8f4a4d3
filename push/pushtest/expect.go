package pushtest

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/broker"
)

// Next waits for the next event of any topic.
func (c *Client) Next() Event {
	c.t.Helper()
	c.must("Next")
	e, ok := c.next(func(Event) bool { return true })
	if !ok {
		c.board.mu.Lock()
		defer c.board.mu.Unlock()
		c.t.Fatalf("pushtest: nothing came to %v%s\n%s", c, c.inTime(), c.situation())
	}
	return e
}

// Expect fails the test unless these are the next events of a topic, in this order. What is
// wanted of messages is as for [Record.Expect]; besides, it may be a [Gap], a [Reset] or
// [Refused].
func (c *Client) Expect(topic string, want ...any) {
	c.t.Helper()
	c.must("Expect")
	for i, w := range want {
		e, ok := c.next(func(e Event) bool { return e.Topic == topic })
		place := fmt.Sprintf("%q: event %d of %d of %v", topic, i+1, len(want), c)
		if !ok {
			c.board.mu.Lock()
			defer c.board.mu.Unlock()
			c.t.Fatalf("pushtest: %s didn't come%s\n  want %s\n%s", place, c.inTime(), describe(w), c.published(topic)+c.situation())
		}
		if why := differs(w, e); why != "" {
			c.t.Fatalf("pushtest: %s isn't what was expected\n%s", place, why)
		}
	}
}

// published says how much was published to a topic, if that is known.
func (c *Client) published(topic string) string {
	if c.hub == nil {
		return ""
	}
	if n := len(c.hub.Published.Messages(topic)); n > 0 {
		return fmt.Sprintf("  %d published to it so far\n", n)
	}
	return "  nothing was published to it\n"
}

// inTime says how long was waited. Called with the board locked.
func (c *Client) inTime() string {
	if c.ended != nil {
		return ""
	}
	return " within " + patience.String()
}

// next waits for an event and takes it.
func (c *Client) next(is func(Event) bool) (e Event, ok bool) {
	c.board.wait(func() bool {
		for i := range c.events {
			if is(c.events[i]) {
				e, ok = c.events[i], true
				c.events = append(c.events[:i:i], c.events[i+1:]...)
				c.taken = append(c.taken, e)
				return true
			}
		}
		return c.ended != nil
	})
	return e, ok
}

// Nothing fails the test if there is an event that wasn't taken. It doesn't wait for time to
// pass: it asks how far the topics are at this moment, and waits until the client is as far.
// Of a client of [Dial], whose hub isn't known, a poll with the client's credentials asks.
// What is published later isn't looked at, but for what goroutines of the same bubble of
// testing/synctest do without waiting.
func (c *Client) Nothing() {
	c.t.Helper()
	c.must("Nothing")
	settle(c.t)
	c.board.mu.Lock()
	stalled, ended := c.visitor.isStalled(), c.ended != nil
	c.board.mu.Unlock()
	if stalled {
		c.t.Fatalf("pushtest: Nothing of %v: %v", c, errStalled)
	}
	if !ended {
		heads, err := c.heads()
		if err != nil {
			c.t.Fatalf("pushtest: Nothing of %v: it isn't known how far its topics are: %v", c, err)
		}
		caughtUp := c.board.wait(func() bool { return c.ended != nil || len(c.events) > 0 || c.hasReached(heads) })
		if !caughtUp {
			c.board.mu.Lock()
			defer c.board.mu.Unlock()
			c.t.Fatalf("pushtest: %v doesn't get all that was published within %v\n%s", c, patience, c.situation())
		}
	}
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	if len(c.events) > 0 {
		var lines []string
		for _, e := range c.events {
			lines = append(lines, "  got  "+e.String())
		}
		c.t.Fatalf("pushtest: %v got what nobody has expected\n%s", c, strings.Join(lines, "\n"))
	}
}

// hasReached reports whether the client has all up to these positions. Called with the board
// locked.
func (c *Client) hasReached(heads map[string]broker.Position) bool {
	for topic, head := range heads {
		f := c.find(topic)
		if f == nil {
			continue
		}
		at := f.position()
		if !f.confirmed || at.Epoch == head.Epoch && at.Offset < head.Offset || at.IsZero() && head.Offset > 0 || f.state != nil && !f.state.complete {
			return false
		}
	}
	return true
}

// heads returns the newest positions of the client's topics.
func (c *Client) heads() (map[string]broker.Position, error) {
	c.board.mu.Lock()
	topics := append([]*followed(nil), c.topics...)
	c.board.mu.Unlock()
	if c.hub == nil {
		return c.pollHeads(topics)
	}
	heads := map[string]broker.Position{}
	for _, f := range topics {
		page, err := c.hub.broker.memory.Recent(context.Background(), f.topic, broker.Limit{})
		if err != nil {
			return nil, err
		}
		heads[f.topic] = page.Head
	}
	return heads, nil
}
