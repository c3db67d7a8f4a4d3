package client

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Event is what a subscription gets: exactly one of Message, Gap and Refused is set.
type Event struct {
	// Message is a message of the topic. Its ID and Time are there only if the server tells
	// clients. Its position is zero if the message can't be resumed.
	Message *push.Message
	// Gap says that messages were missed; load the state again. With SubscribeOptions.Recent
	// the topic's last messages follow, which may repeat some that came before the gap; all
	// others that were missed won't come. Its positions have no tags.
	Gap *broker.Gap
	// Refused says why the server doesn't let the client follow the topic for now. The
	// client asks again by itself; of refusals in a row only the first is an event.
	Refused *push.Error

	// Cursor continues right after the event, in this topic. It is empty if the event
	// doesn't move it.
	Cursor string
}

// eventSize is what an event counts for beside its message.
const eventSize = 128

func (e *Event) size() int {
	if e.Message != nil {
		return eventSize + e.Message.Size()
	}
	return eventSize
}

// Subscription follows one topic. All methods may be called by any number of goroutines.
type Subscription struct {
	// static
	client *Client
	topic  string
	recent int
	queue  *queue
	state  *State        // of a state topic, whose queue has no events; nil for a log
	ready  chan struct{} // closed when the server has answered
	ended  chan struct{} // closed by end

	endOnce sync.Once

	// guarded by client.mu
	number    uint64    // the order of subscribing
	cursor    string    // after what has been received
	located   bool      // the server told the cursor, over this connection
	request   uint64    // what asked for the topic over this connection; 0: the URL
	confirmed bool      // and it was granted
	granted   bool      // once, over any connection
	refusals  int       // in a row
	refusal   error     // the last of them
	again     time.Time // when to ask again
}

func (c *Client) newSubscription(topic string) *Subscription {
	return &Subscription{
		client: c, topic: topic, queue: newQueue(c.options.Buffer, ""),
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
}

// refused tells of a refusal that isn't for good, and reports false if ctx has ended before.
func (s *Subscription) refused(ctx context.Context, err *push.Error) bool {
	return s.state != nil || s.queue.add(ctx, Event{Refused: err})
}

// ownPart returns the part of a cursor that is of one topic, or what the server answers with
// a gap. One that can't be read here may be of a later version, and is kept.
func ownPart(since, topic string) string {
	parsed, err := cursor.Parse(since)
	if err != nil && len(since) <= protocol.MaxSinceLength {
		return since
	}
	place, ok := parsed.Place(topic)
	if !ok || place.Position.IsZero() {
		return nowhere(topic)
	}
	return place.Cursor(topic)
}

// nowhere is the cursor of an unknown place in a topic, since it names the topic twice. It
// can be joined with those of other topics, to which it does nothing.
func nowhere(topic string) string {
	once := cursor.Format(topic, broker.Position{Epoch: 1, Offset: 1})
	return cursor.Join([]string{once, once})
}

// Topic returns the topic.
func (s *Subscription) Topic() string { return s.topic }

// Ready waits until the server has confirmed the subscription: without a cursor, every
// message that is published from then on arrives. When the context ends, the error wraps
// its cause and, if there is one, the last error: why there is no connection, or why the
// server refuses the topic for now. If the subscription has ended, Ready fails like Next.
func (s *Subscription) Ready(ctx context.Context) error { return s.wait(ctx, s.ready) }

// wait is Ready for what happens when a channel is closed.
func (s *Subscription) wait(ctx context.Context, happened <-chan struct{}) error {
	select {
	case <-happened:
		return nil
	case <-s.ended:
		return s.queue.failure()
	case <-ctx.Done():
		return ended(ctx, s.lastErr())
	}
}

// lastErr returns why the server hasn't confirmed the subscription, if that is known.
func (s *Subscription) lastErr() error {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.client.lastErr != nil {
		return s.client.lastErr
	}
	return s.refusal
}

// Next waits for the next event. When the subscription has ended and all its events were
// taken, it fails: with a [push.Error] if the server refuses the topic or the client for
// good, with [ErrClosed] after Close of the subscription or of the client. It fails with
// the cause of the context when that ends; then it may be called again.
func (s *Subscription) Next(ctx context.Context) (Event, error) { return s.queue.take(ctx) }

// Events returns what Next returns, until it fails; the last pair has the error.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := s.Next(ctx)
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Cursor returns the position after the last event that Next returned, to continue from in
// another process. It is empty as long as the server hasn't told any.
func (s *Subscription) Cursor() string { return s.queue.taken() }

// Close ends the subscription, and drops the events that wait. It doesn't wait for the
// server. Another subscription of the topic may begin at once.
func (s *Subscription) Close() {
	s.end(ErrClosed, true)
	s.client.forget(s)
}

func (s *Subscription) end(err error, drop bool) {
	s.queue.end(err, drop)
	s.endOnce.Do(func() { close(s.ended) })
}
