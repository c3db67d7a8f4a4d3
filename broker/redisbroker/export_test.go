package redisbroker

import (
	"context"

	"github.com/tidewire/tidewire/push"
)

// PublishUnheard stores a message as Publish does, but tells nobody: as if its
// pub/sub message had been lost.
func (b *Broker) PublishUnheard(ctx context.Context, m push.Message) (push.Receipt, error) {
	if err := m.Prepare(b.options.MaxMessage); err != nil {
		return push.Receipt{}, err
	}
	witness, err := b.witness(m.Topic)
	if err != nil {
		return push.Receipt{}, err
	}
	deaf := *b.store
	deaf.silent = true
	return deaf.add(ctx, &m, false, witness)
}

// Keys are the keys of a topic.
func (b *Broker) Keys(topic string) []string {
	meta, stream, _ := b.store.keys(topic)
	return []string{meta, stream}
}
