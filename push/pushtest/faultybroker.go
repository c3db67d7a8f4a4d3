package pushtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// faultyBroker is a broker in memory that can be made to fail as one over a network does.
type faultyBroker struct {
	*membroker.Broker
	record *Record

	mu      sync.Mutex // guards the rest
	failure error
	floors  map[string]broker.Position // what is expired, by topic
	relays  map[relayKey]*relay
}

type relayKey struct {
	topic string
	to    push.Receiver
}

func newFaultyBroker(b *membroker.Broker, record *Record) *faultyBroker {
	return &faultyBroker{Broker: b, record: record, floors: map[string]broker.Position{}, relays: map[relayKey]*relay{}}
}

func (b *faultyBroker) failing() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failure
}

func (b *faultyBroker) floor(topic string) broker.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.floors[topic]
}

func (b *faultyBroker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if err := b.failing(); err != nil {
		return push.Receipt{}, err
	}
	return b.record.publish(ctx, b.Broker, m)
}

func (b *faultyBroker) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	if err := b.failing(); err != nil {
		return broker.Position{}, err
	}
	relay := &relay{to: r}
	b.mu.Lock()
	b.relays[relayKey{topic, r}] = relay
	b.mu.Unlock()
	return b.Broker.Subscribe(ctx, topic, relay)
}

func (b *faultyBroker) Unsubscribe(topic string, r push.Receiver) {
	key := relayKey{topic, r}
	b.mu.Lock()
	relay := b.relays[key]
	delete(b.relays, key)
	b.mu.Unlock()
	if relay != nil {
		b.Broker.Unsubscribe(topic, relay)
		relay.end()
	}
}

func (b *faultyBroker) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	if err := b.failing(); err != nil {
		return push.Page{}, err
	}
	page, err := b.Broker.Since(ctx, topic, after, limit)
	if err == nil && page.Gap == "" && after.Offset < b.floor(topic).Offset {
		page.Messages, page.Gap = nil, broker.GapTrimmed
	}
	return page, err
}

func (b *faultyBroker) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	if err := b.failing(); err != nil {
		return push.Page{}, err
	}
	page, err := b.Broker.Recent(ctx, topic, limit)
	floor := b.floor(topic).Offset
	page.Messages = slices.DeleteFunc(page.Messages, func(m *push.Message) bool { return m.Offset <= floor })
	return page, err
}

func (b *faultyBroker) State(ctx context.Context, topic string) (push.Page, error) {
	if err := b.failing(); err != nil {
		return push.Page{}, err
	}
	return b.Broker.State(ctx, topic)
}

func (b *faultyBroker) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) ([]string, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.Broker.Renew(ctx, topic, keys, ttl)
}

func (b *faultyBroker) Put(ctx context.Context, set, key string, v broker.Stored) (*broker.Stored, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.Broker.Put(ctx, set, key, v)
}

func (b *faultyBroker) Take(ctx context.Context, set, key string) ([]byte, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.Broker.Take(ctx, set, key)
}

func (b *faultyBroker) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.Broker.All(ctx, set)
}
