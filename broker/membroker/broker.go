// Package membroker is the broker within one process: history and fan-out in
// memory, with nothing to install and nothing that outlives the process. When
// the process ends all topics get a new epoch, and clients that come back are
// told so by a gap.
package membroker

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
)

// Options configures a [Broker]. The zero value of each field is its production
// default, and a negative size or time is taken for that, but in History.
type Options struct {
	// History bounds what is kept of each topic. Default 1,000 messages, 4 MiB,
	// 10 minutes.
	History broker.History
	// Topics are rules for topics by pattern, such as a history of their own. Malformed
	// patterns panic.
	Topics []push.TopicRule
	// MaxMessage is the largest message, in bytes of data. Default 64 KiB.
	MaxMessage int
	// Retry is how long a message ID is remembered, so that publishing it again
	// adds nothing. Default 5 minutes. At most 100,000 IDs are remembered for a
	// topic; IDs that Publish made itself aren't, since nobody can repeat them.
	Retry time.Duration
	// Keep is how long a topic that nobody uses keeps its epoch and offset.
	// After it, a client that comes back gets a gap. Default 48 hours. A topic is never
	// forgotten while it has messages, whatever the age of its history.
	Keep time.Duration
}

// Broker is a [push.Broker] in memory. Its calls don't block, so they heed no
// context.
type Broker struct {
	options Options
	rules   *broker.TopicRules
	secret  maphash.Seed // what the epochs of topics are made of
	shards  [shardCount]shard
	closed  atomic.Bool
	store   store

	mu    sync.Mutex // guards the rest; may be taken with a shard's lock held
	count int        // of topics
	sweep *time.Timer
}

var (
	_ broker.NonBlocking = (*Broker)(nil)
	_ broker.Keeper      = (*Broker)(nil)
)

// New makes a broker. More than one Options panics.
func New(options ...Options) *Broker {
	o := optional.One(options)
	if o.MaxMessage <= 0 {
		o.MaxMessage = 64 << 10
	}
	if o.Retry <= 0 {
		o.Retry = 5 * time.Minute
	}
	if o.Keep <= 0 {
		o.Keep = 48 * time.Hour
	}
	return &Broker{options: o, rules: broker.NewTopicRules(o.History, o.Topics), secret: maphash.MakeSeed()}
}

var errClosed = push.NewError(push.CodeUnavailable, "the broker is closed", nil)

// NonBlocking promises that no call waits; see [broker.NonBlocking].
func (b *Broker) NonBlocking() {}

// Keep is Options.Keep; see [broker.Keeper].
func (b *Broker) Keep() time.Duration { return b.options.Keep }

// Publish stores a message and hands it to the topic's receivers.
func (b *Broker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if err := b.rules.Of(m.Topic).CheckOp(m.Op); err != nil {
		return push.Receipt{}, push.AsError(err)
	}
	if err := m.Prepare(b.options.MaxMessage); err != nil {
		return push.Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return push.Receipt{}, push.AsError(err)
	}
	t, err := b.lock(m.Topic)
	if err != nil {
		return push.Receipt{}, err
	}
	defer b.unlock(t)
	replicated := m.Replicated
	m.Replicated = false
	receipt, err := t.publish(m, &b.options)
	if err == nil && replicated {
		err = push.CodeNotReplicated // there is but this process
	}
	return receipt, err
}

// Subscribe makes r get the topic's messages.
func (b *Broker) Subscribe(_ context.Context, name string, r push.Receiver) (broker.Position, error) {
	if err := broker.CheckAnyTopic(name); err != nil {
		return broker.Position{}, push.AsError(err)
	}
	t, err := b.lock(name)
	if err != nil {
		return broker.Position{}, err
	}
	defer t.mu.Unlock()
	t.receivers = append(t.receivers, r)
	return t.head, nil
}

// Unsubscribe ends what Subscribe began.
func (b *Broker) Unsubscribe(name string, r push.Receiver) {
	if t := b.shard(name).find(name); t != nil {
		t.mu.Lock()
		defer b.unlock(t)
		t.remove(r)
	}
}

// Since reads what came after a position.
func (b *Broker) Since(_ context.Context, name string, after broker.Position, limit broker.Limit) (push.Page, error) {
	t, err := b.look(name)
	if err != nil {
		return push.Page{}, err
	}
	defer t.mu.Unlock()
	t.use(time.Now())
	return t.since(after, limit), nil
}

// Recent reads the newest messages.
func (b *Broker) Recent(_ context.Context, name string, limit broker.Limit) (push.Page, error) {
	t, err := b.look(name)
	if err != nil {
		return push.Page{}, err
	}
	defer t.mu.Unlock()
	t.use(time.Now())
	return t.recent(limit), nil
}

// Close forgets all topics.
func (b *Broker) Close(context.Context) error {
	b.closed.Store(true)
	b.store.close()
	for i := range b.shards {
		for _, t := range b.shards[i].empty() {
			t.end()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sweep != nil {
		b.sweep.Stop()
	}
	return nil
}

// look gives a topic with its lock held, to be read. One that isn't there is made for
// the caller alone.
func (b *Broker) look(name string) (*topic, error) {
	if err := broker.CheckAnyTopic(name); err != nil {
		return nil, push.AsError(err)
	}
	if b.closed.Load() {
		return nil, errClosed
	}
	if t := b.shard(name).find(name); t != nil {
		t.mu.Lock()
		if !t.forgotten {
			return t, nil
		}
		t.mu.Unlock()
	}
	t := b.newTopic(name)
	t.mu.Lock()
	return t, nil
}

// lock gives a topic with its lock held, and makes it if need be.
func (b *Broker) lock(name string) (*topic, error) {
	for {
		t, err := b.topic(name)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		if !t.forgotten {
			return t, nil
		}
		t.mu.Unlock()
	}
}

// unlock ends what lock began, and forgets a topic that is still as it was born.
func (b *Broker) unlock(t *topic) {
	forget := !t.forgotten && t.head.Offset == 0 && len(t.receivers) == 0 && t.named == nil
	t.forgotten = t.forgotten || forget
	t.mu.Unlock()
	if forget {
		b.forget(t)
	}
}
