package follow

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

var _ push.StateBroker = (*Broker)(nil)

// Rule returns how a topic is treated, by Options.Rules.
func (b *Broker) Rule(topic string) *broker.TopicRule { return b.options.Rules.Of(topic) }

// renewBatch is how many keys are renewed in one step of the store.
const renewBatch = 500

// Renew renews the time to live of keys of a state; see [push.StateBroker].
func (b *Broker) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) (gone []string, err error) {
	if err := b.admits(topic); err != nil {
		return nil, err
	}
	if err := b.options.Rules.Of(topic).CheckState(); err != nil {
		return nil, push.AsError(err)
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	for some := range slices.Chunk(keys, renewBatch) {
		err := b.reach(ctx, topic, b.marks.of(topic), func(mark HighWater, origin Origin) (broker.Position, error) {
			r, err := b.store.Renew(ctx, topic, some, ttl, mark, origin)
			gone = append(gone, r.Gone...)
			return r.Position, err
		})
		if err != nil {
			return nil, err
		}
	}
	return gone, nil
}

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
func (b *Broker) State(ctx context.Context, topic string) (page push.Page, err error) {
	if err := b.admits(topic); err != nil {
		return push.Page{}, err
	}
	if err := b.options.Rules.Of(topic).CheckState(); err != nil {
		return push.Page{}, push.AsError(err)
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	err = b.reach(ctx, topic, b.marks.of(topic), func(mark HighWater, origin Origin) (broker.Position, error) {
		page, err = b.store.State(ctx, topic, mark, origin)
		return page.Head, err
	})
	if err != nil {
		return push.Page{}, err
	}
	return page, nil
}

// expire makes keys of a state end that are due.
func (b *Broker) expire(ctx context.Context, topic string) (e Expiry, err error) {
	err = b.reach(ctx, topic, b.marks.of(topic), func(mark HighWater, origin Origin) (broker.Position, error) {
		e, err = b.store.Expire(ctx, topic, mark, origin)
		return e.Position, err
	})
	return e, err
}
