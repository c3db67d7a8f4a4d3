package client

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// maxStreamTopics is how many topics an event stream carries.
const maxStreamTopics = cursor.MaxTopics

var errStreamFull = push.NewError(push.CodeLimitReached, "an event stream carries at most 50 topics", nil)

// chooseTopics decides what a stream is opened with, as soon as there is something, and
// reports false if ctx has ended before.
func (s *serving) chooseTopics(ctx context.Context) bool {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-s.client.changed:
		case <-due.C:
		}
		excess, next := s.choose(time.Now())
		if !refuseExcess(ctx, excess) {
			return false
		}
		if len(s.topics) > 0 {
			return true
		}
		due.Reset(next)
	}
}

// choose notes the topics for a stream, and returns those that find no room and haven't
// been told. A URL has one number of recent messages for all its topics, those too whose
// cursor leads to a gap. So topics that begin with recent messages have a stream before all
// others, each number its own.
func (s *serving) choose(now time.Time) (excess []*Subscription, next time.Duration) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	ask, next := s.unasked(now)
	recent := 0
	for _, sub := range ask {
		if recent = sub.begins(); recent > 0 {
			break
		}
	}
	for _, sub := range ask {
		switch {
		case len(s.topics) == maxStreamTopics:
			excess = append(excess, sub)
		case sub.state != nil, sub.begins() == recent:
			s.topics = append(s.topics, s.ask(sub, 0))
		}
	}
	return toTell(excess), next
}

// begins is how many recent messages the subscription begins with, once. Called with
// client.mu held.
func (s *Subscription) begins() int {
	if s.cursor != "" || s.granted {
		return 0
	}
	return max(0, s.recent)
}

// compare holds a stream's topics against those that it should have: no wait means that
// there is room for more. Otherwise it returns those that find none and haven't been told.
func (s *serving) compare(now time.Time) (excess []*Subscription, next time.Duration) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.forgotten()
	ask, next := s.unasked(now)
	if len(ask) > 0 && len(s.asked) < maxStreamTopics {
		return nil, 0
	}
	return toTell(ask), next
}

// toTell returns those that weren't refused before. Called with client.mu held.
func toTell(excess []*Subscription) (first []*Subscription) {
	for _, sub := range excess {
		sub.refusal = errStreamFull
		if sub.refusals++; sub.refusals == 1 {
			first = append(first, sub)
		}
	}
	return first
}

// refuseExcess tells subscriptions that a stream has no room for them, and reports false
// if ctx has ended before.
func refuseExcess(ctx context.Context, excess []*Subscription) bool {
	for _, sub := range excess {
		if !sub.refused(ctx, errStreamFull) {
			return false
		}
	}
	return true
}

// probe tries whether a WebSocket gets through meanwhile, beside the stream.
func (s *serving) probe(ctx context.Context) {
	for wait := provenAfter; sleep(ctx, wait); wait = probeInterval {
		if s.client.opensSocket(ctx) {
			s.client.use(WebSocket)
			s.cancel(errRestart)
			return
		}
	}
}

// probeInterval is how often a WebSocket is tried while an event stream serves.
const probeInterval = 5 * time.Minute

// opensSocket reports whether a server welcomes a WebSocket.
func (c *Client) opensSocket(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, c.options.ConnectTimeout)
	defer cancel()
	header, err := c.header(ctx)
	if err != nil {
		return false
	}
	l, t := c.openSocket(ctx, header)
	if t != nil {
		return false
	}
	defer l.close(false)
	text, t := l.read(c.options.ConnectTimeout)
	if t != nil {
		return false
	}
	f, err := protocol.ParseFrame(text)
	return err == nil && f.Type == protocol.TypeWelcome
}
