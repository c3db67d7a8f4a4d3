package membroker

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/keymap"
	"github.com/tidewire/tidewire/push"
)

var _ push.StateBroker = (*Broker)(nil)

// state is the keys of a topic that is a state. Guarded by topic.mu.
type state struct {
	keys  keymap.Map
	timer *time.Timer // until the next key is due; nil if none ever was
}

func (s *state) isEmpty() bool { return s == nil || s.keys.Len() == 0 }

// Rule returns how a topic is treated, by Options.Topics.
func (b *Broker) Rule(topic string) *broker.TopicRule { return b.rules.Of(topic) }

// Set sets a key of a state; see [push.StatePublisher].
func (b *Broker) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	m.Op = broker.OpSet
	return b.Publish(ctx, m)
}

// Append adds text to a key of a state; see [push.StatePublisher].
func (b *Broker) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	m.Op = broker.OpAppend
	return b.Publish(ctx, m)
}

// Delete deletes a key of a state; see [push.StatePublisher].
func (b *Broker) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	m.Op = broker.OpDelete
	return b.Publish(ctx, m)
}

// Touch renews the time to live of a key of a state; see [push.StatePublisher].
func (b *Broker) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	m.Op = broker.OpTouch
	return b.Publish(ctx, m)
}

// State reads the keys of a state; see [push.StateBroker].
func (b *Broker) State(_ context.Context, name string) (push.Page, error) {
	if err := b.rules.Of(name).CheckState(); err != nil {
		return push.Page{}, push.AsError(err)
	}
	t, err := b.look(name)
	if err != nil {
		return push.Page{}, err
	}
	defer t.mu.Unlock()
	now := time.Now()
	t.use(now)
	page := push.Page{Head: t.head}
	if t.state != nil {
		page.Messages = t.state.keys.Messages(t.name, t.head.Epoch, t.rule.Time, now)
	}
	return page, nil
}

// Renew renews the time to live of keys of a state; see [push.StateBroker].
func (b *Broker) Renew(_ context.Context, name string, keys []string, ttl time.Duration) (gone []string, err error) {
	if err := b.rules.Of(name).CheckState(); err != nil {
		return nil, push.AsError(err)
	}
	t, err := b.lock(name)
	if err != nil {
		return nil, err
	}
	defer b.unlock(t)
	now := time.Now()
	for _, key := range keys {
		t.expire(now, key)
		if _, err := t.change(push.Message{Op: broker.OpTouch, Key: key, TTL: ttl}, now); err != nil {
			gone = append(gone, key)
		}
	}
	return gone, nil
}

// change makes a change of a state.
func (t *topic) change(m push.Message, now time.Time) (push.Receipt, error) {
	if t.state == nil {
		t.state = &state{}
	}
	logged, start, err := t.state.keys.Decide(&m, t.rule, t.head.Epoch)
	if err != nil {
		return push.Receipt{}, err
	}
	m.TTL, m.Start = keymap.TTL(&m, t.rule), start
	m.IfVersion, m.IfAbsent = broker.Version{}, false
	receipt := push.Receipt{ID: m.ID, Position: t.head, Duplicate: m.Op == broker.OpDelete}
	if logged {
		receipt = t.add(m, now)
	} else {
		m.Time, m.Position = now, t.head
		t.remember(&m)
		if m.Op == broker.OpTouch {
			t.state.keys.Apply(&m)
		}
	}
	t.schedule(now)
	return receipt, nil
}

// expire deletes keys that are due, and one that is to be changed if it is: for all who
// follow the topic.
func (t *topic) expire(now time.Time, key string) {
	if t.state == nil {
		return
	}
	for _, key := range t.state.keys.Due(now, key) {
		t.add(push.Message{ID: uuid.NewString(), Op: broker.OpDelete, Key: key}, now)
	}
}

// schedule makes the timer run out when the next key is due.
func (t *topic) schedule(now time.Time) {
	s := t.state
	next, ok := s.keys.Next()
	switch {
	case !ok && s.timer == nil:
	case !ok:
		s.timer.Stop()
	case s.timer == nil:
		s.timer = time.AfterFunc(next.Sub(now), t.expireDue)
	default:
		s.timer.Reset(next.Sub(now))
	}
}

// expireDue runs when the timer runs out.
func (t *topic) expireDue() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.forgotten {
		now := time.Now()
		t.expire(now, "")
		t.schedule(now)
	}
}

// end stops the timer for good: the broker is closed.
func (t *topic) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgotten = true
	if t.state != nil && t.state.timer != nil {
		t.state.timer.Stop()
	}
}
