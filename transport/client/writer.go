package client

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

const (
	// maxSubscribe is when a subscribe is full, in bytes before escapes: with one topic more
	// it stays below the 64 KiB and the 1,000 topics that a server takes.
	maxSubscribe = 16 << 10
	// never is how long to wait for nothing.
	never = time.Hour
)

// write brings the server in line with what the client is to follow and to send, whenever
// that changes.
func (s *serving) write(ctx context.Context) {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.client.changed:
		case <-due.C:
		}
		if s.stream {
			excess, next := s.compare(time.Now())
			if next <= 0 {
				s.cancel(errRestart) // a stream's topics are those of its URL
				return
			}
			if !refuseExcess(ctx, excess) {
				return
			}
			due.Reset(next)
			continue
		}
		frames, next := s.pending(time.Now())
		for _, frame := range frames {
			if err := s.link.write(frame); err != nil {
				s.cancel(err)
				return
			}
		}
		due.Reset(next)
	}
}

// pending returns the frames that are to be written now, and how long to wait for what is
// due next.
func (s *serving) pending(now time.Time) (frames [][]byte, next time.Duration) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	left := s.forgotten()
	ask, next := s.unasked(now)
	if s.pong {
		s.pong = false
		frames = append(frames, protocol.Pong())
	}
	if len(left) > 0 {
		c.request++
		frames = append(frames, protocol.Unsubscribe(c.request, left))
	}
	frames = append(frames, s.subscribe(ask)...)
	for _, m := range c.sends {
		if m.over != s {
			m.over = s
			frames = append(frames, protocol.Send(m.request, &m.message))
		}
	}
	return frames, next
}

// forgotten returns the topics that are followed no longer. Called with client.mu held.
func (s *serving) forgotten() (topics []string) {
	for topic, sub := range s.asked {
		if s.client.subscriptions[topic] != sub {
			topics = append(topics, topic)
			delete(s.asked, topic)
		}
	}
	return topics
}

// unasked returns the subscriptions that are to be asked for now, and how long it is until
// the next. Called with client.mu held.
func (s *serving) unasked(now time.Time) (ask []*Subscription, next time.Duration) {
	next = never
	for _, sub := range s.client.inOrder() {
		switch {
		case s.asked[sub.topic] != nil:
		case s.logs && sub.state != nil:
			sub.refusal = errNoStates
		case sub.again.After(now):
			next = min(next, sub.again.Sub(now))
		default:
			ask = append(ask, sub)
		}
	}
	return ask, next
}

var errNoStates = push.NewError(push.CodeUnsupported, "the server has no state topics", nil)

// subscribe asks for topics. Called with client.mu held.
func (s *serving) subscribe(ask []*Subscription) (frames [][]byte) {
	for len(ask) > 0 {
		s.client.request++
		var topics []protocol.Follow
		size := 0
		for len(ask) > 0 && size < maxSubscribe {
			sub := ask[0]
			ask = ask[1:]
			size += len(`{"topic":"","kind":"state","since":"","recent":1000},`) + len(sub.topic) + len(sub.cursor)
			topics = append(topics, s.ask(sub, s.client.request))
		}
		frames = append(frames, protocol.Subscribe(s.client.request, topics))
	}
	return frames
}

// ask notes that a topic is asked for by a request. Called with client.mu held.
func (s *serving) ask(sub *Subscription, request uint64) protocol.Follow {
	s.asked[sub.topic] = sub
	sub.request, sub.confirmed, sub.located = request, false, false
	asked := protocol.Follow{Topic: sub.topic, Since: sub.cursor, State: sub.state != nil}
	if s.recent || s.stream { // a cursor wins, and after a gap these follow
		asked.Recent = sub.recent
	}
	return asked
}
