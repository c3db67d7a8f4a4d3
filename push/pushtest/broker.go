package pushtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
)

// Broker is a broker in memory that can be made to fail as one over a network does, and tells
// what was published. It is for applications that make their hub themselves; a [Hub] has one
// already. It is a [push.StateBroker] and a [broker.Store].
type Broker struct {
	// Published has what was published through the broker, by whomever.
	Published *Record

	t      testing.TB
	memory *membroker.Broker

	mu      sync.Mutex // guards the rest
	failure error
	floors  map[string]broker.Position // what is expired, by topic
	relays  map[relayKey]*relay
}

type relayKey struct {
	topic string
	to    push.Receiver
}

var (
	_ push.StateBroker   = (*Broker)(nil)
	_ broker.Store       = (*Broker)(nil)
	_ broker.Keeper      = (*Broker)(nil)
	_ broker.NonBlocking = (*Broker)(nil)
)

// NewBroker makes a broker. The hub that it is given to closes it. The options are those of
// package membroker; more than one panics.
func NewBroker(t testing.TB, store ...membroker.Options) *Broker {
	return &Broker{
		Published: newRecord(t, "Published"), t: t, memory: membroker.New(optional.One(store)),
		floors: map[string]broker.Position{}, relays: map[relayKey]*relay{},
	}
}

func (b *Broker) failing() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failure
}

func (b *Broker) floor(topic string) broker.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.floors[topic]
}

// Publish stores a message and notes it; see [push.Publisher].
func (b *Broker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if err := b.failing(); err != nil {
		return push.Receipt{}, err
	}
	return b.Published.publish(ctx, b.memory, m)
}

// Subscribe is that of a [push.Broker].
func (b *Broker) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	if err := b.failing(); err != nil {
		return broker.Position{}, err
	}
	relay := &relay{to: r}
	b.mu.Lock()
	b.relays[relayKey{topic, r}] = relay
	b.mu.Unlock()
	return b.memory.Subscribe(ctx, topic, relay)
}

// Unsubscribe is that of a [push.Broker].
func (b *Broker) Unsubscribe(topic string, r push.Receiver) {
	key := relayKey{topic, r}
	b.mu.Lock()
	relay := b.relays[key]
	delete(b.relays, key)
	b.mu.Unlock()
	if relay != nil {
		b.memory.Unsubscribe(topic, relay)
		relay.end()
	}
}

// Since is that of a [push.Broker].
func (b *Broker) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	if err := b.failing(); err != nil {
		return push.Page{}, err
	}
	page, err := b.memory.Since(ctx, topic, after, limit)
	if err == nil && page.Gap == "" && after.Offset < b.floor(topic).Offset {
		page.Messages, page.Gap = nil, broker.GapTrimmed
	}
	return page, err
}

// Recent is that of a [push.Broker].
func (b *Broker) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	if err := b.failing(); err != nil {
		return push.Page{}, err
	}
	page, err := b.memory.Recent(ctx, topic, limit)
	floor := b.floor(topic).Offset
	page.Messages = slices.DeleteFunc(page.Messages, func(m *push.Message) bool { return m.Offset <= floor })
	return page, err
}

// State is that of a [push.StateBroker].
func (b *Broker) State(ctx context.Context, topic string) (push.Page, error) {
	if err := b.failing(); err != nil {
		return push.Page{}, err
	}
	return b.memory.State(ctx, topic)
}

// Renew is that of a [push.StateBroker].
func (b *Broker) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) ([]string, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.memory.Renew(ctx, topic, keys, ttl)
}

// Put is that of a [broker.Store].
func (b *Broker) Put(ctx context.Context, set, key string, v broker.Stored) (*broker.Stored, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.memory.Put(ctx, set, key, v)
}

// Take is that of a [broker.Store].
func (b *Broker) Take(ctx context.Context, set, key string) ([]byte, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.memory.Take(ctx, set, key)
}

// All is that of a [broker.Store].
func (b *Broker) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	if err := b.failing(); err != nil {
		return nil, err
	}
	return b.memory.All(ctx, set)
}

// Set is that of a [push.StatePublisher].
func (b *Broker) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpSet, m)
}

// Append is that of a [push.StatePublisher].
func (b *Broker) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpAppend, m)
}

// Delete is that of a [push.StatePublisher].
func (b *Broker) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpDelete, m)
}

// Touch is that of a [push.StatePublisher].
func (b *Broker) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpTouch, m)
}

func (b *Broker) change(ctx context.Context, op broker.Op, m push.Message) (push.Receipt, error) {
	m.Op = op
	return b.Publish(ctx, m)
}

// Rule is that of a [push.StateBroker].
func (b *Broker) Rule(topic string) *broker.TopicRule { return b.memory.Rule(topic) }

// Keep is that of a [broker.Keeper].
func (b *Broker) Keep() time.Duration { return b.memory.Keep() }

// NonBlocking is that of a [broker.NonBlocking].
func (b *Broker) NonBlocking() {}

// Close is that of a [push.Broker].
func (b *Broker) Close(ctx context.Context) error { return b.memory.Close(ctx) }
