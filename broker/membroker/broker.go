// Package membroker is the broker within one process: history and fan-out in
// memory, with nothing to install and nothing that outlives the process. When
// the process ends all topics get a new epoch, and clients that come back are
// told so by a gap.
package membroker

import (
	"context"
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// Options configures a [Broker]. The zero value of each field is its production
// default.
type Options struct {
	// History bounds what is kept of each topic. Default 1,000 messages, 4 MiB,
	// 10 minutes.
	History push.History
	// MaxMessage is the largest message, in bytes of data. Default 64 KiB.
	MaxMessage int
	// Retry is how long a message ID is remembered, so that publishing it again
	// adds nothing. Default 5 minutes. At most 100,000 IDs are remembered for a
	// topic; IDs that Publish made itself aren't, since nobody can repeat them.
	Retry time.Duration
	// Keep is how long a topic that nobody uses keeps its epoch and offset.
	// After it, a client that comes back gets a gap. Default 24 hours.
	Keep time.Duration
}

const (
	maxIDs        = 100_000
	sweepInterval = time.Minute
)

// Broker is a [push.Broker] in memory. Its calls don't block, so they heed no
// context.
type Broker struct {
	options Options

	mu     sync.Mutex // guards the rest; never held together with topic.mu
	topics map[string]*topic
	births [births]push.Epoch // what the first epochs of topics are made of
	sweep  *time.Timer        // runs while there are topics
	closed bool
}

// births is how many of them there are. A topic that nobody has published to is
// known by its birth alone, so that asking for it costs no memory. When a topic is
// forgotten its birth changes, and with it that of the few others which share it:
// their clients are told a gap.
const births = 1024

var _ push.Broker = (*Broker)(nil)

// New makes a broker. It takes at most one Options.
func New(options ...Options) *Broker {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	o.History = o.History.WithDefaults()
	if o.MaxMessage == 0 {
		o.MaxMessage = 64 << 10
	}
	if o.Retry == 0 {
		o.Retry = 5 * time.Minute
	}
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	b := &Broker{options: o, topics: map[string]*topic{}}
	for i := range b.births {
		b.births[i] = newEpoch()
	}
	return b
}

// Publish stores a message and hands it to the topic's receivers.
func (b *Broker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	named := m.ID != ""
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
	defer t.mu.Unlock()
	replicated := m.Replicated
	m.Replicated = false
	receipt, err := t.publish(m, named, &b.options)
	if err == nil && replicated {
		err = push.ErrNotReplicated // there is but this process
	}
	return receipt, err
}

// Subscribe makes r get the topic's messages.
func (b *Broker) Subscribe(_ context.Context, name string, r push.Receiver) (push.Position, error) {
	t, err := b.lock(name)
	if err != nil {
		return push.Position{}, err
	}
	defer t.mu.Unlock()
	t.receivers = append(t.receivers, r)
	return t.head, nil
}

// Unsubscribe ends what Subscribe began.
func (b *Broker) Unsubscribe(name string, r push.Receiver) {
	b.mu.Lock()
	t := b.topics[name]
	b.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		defer b.unlock(name, t)
		t.remove(r)
	}
}

// Since reads what came after a position.
func (b *Broker) Since(_ context.Context, name string, after push.Position, limit push.Limit) (push.Page, error) {
	t, err := b.lock(name)
	if err != nil {
		return push.Page{}, err
	}
	defer b.unlock(name, t)
	t.trim(&b.options)
	return t.since(after, limit), nil
}

// Recent reads the newest messages.
func (b *Broker) Recent(_ context.Context, name string, n int) (push.Page, error) {
	t, err := b.lock(name)
	if err != nil {
		return push.Page{}, err
	}
	defer b.unlock(name, t)
	t.trim(&b.options)
	return t.recent(n), nil
}

// Close forgets all topics.
func (b *Broker) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.topics = nil
	if b.sweep != nil {
		b.sweep.Stop()
	}
	return nil
}

// lock gives a topic with its lock held, and makes it if need be.
func (b *Broker) lock(name string) (*topic, error) {
	if err := push.CheckTopic(name); err != nil {
		return nil, err
	}
	for {
		t, err := b.topic(name)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		if !t.forgotten {
			t.used = time.Now()
			return t, nil
		}
		t.mu.Unlock()
	}
}

// unlock ends what lock began, and forgets a topic that is still as it was born.
func (b *Broker) unlock(name string, t *topic) {
	forget := !t.forgotten && t.head.Offset == 0 && len(t.receivers) == 0
	t.forgotten = t.forgotten || forget
	t.mu.Unlock()
	if forget {
		b.forget(name, t)
	}
}

// forget takes a forgotten topic out of the map, unless another has its name.
func (b *Broker) forget(name string, t *topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[name] == t {
		delete(b.topics, name)
	}
}

// birth is what a topic's first epoch is made of. Called with b.mu held.
func (b *Broker) birth(name string) *push.Epoch {
	return &b.births[maphash.String(seed, name)%births]
}

// firstEpoch is the epoch that a topic begins with. Called with b.mu held.
func (b *Broker) firstEpoch(name string) push.Epoch {
	epoch := *b.birth(name) ^ push.Epoch(maphash.String(seed, name))
	return max(epoch, 1) // zero is no epoch
}

func (b *Broker) topic(name string) (*topic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, push.Errorf(push.CodeUnavailable, "the broker is closed", nil)
	}
	t := b.topics[name]
	if t == nil {
		t = &topic{head: push.Position{Epoch: b.firstEpoch(name)}}
		b.topics[name] = t
		if b.sweep == nil {
			b.sweep = time.AfterFunc(sweepInterval, b.sweepTopics)
		}
	}
	return t, nil
}

// sweepTopics trims what is too old and forgets topics that nobody uses, so
// that an idle topic costs nothing. It runs on a timer, not in a goroutine that
// waits, and not at all while there are no topics.
func (b *Broker) sweepTopics() {
	b.mu.Lock()
	topics := maps.Clone(b.topics)
	b.mu.Unlock()
	for name, t := range topics {
		if t.sweep(&b.options) {
			b.mu.Lock()
			delete(b.topics, name) // nobody else forgets it, so it is not replaced before this
			*b.birth(name) = newEpoch()
			b.mu.Unlock()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
	case len(b.topics) == 0:
		b.sweep = nil
	default:
		b.sweep.Reset(sweepInterval)
	}
}
