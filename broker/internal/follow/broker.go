package follow

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Broker is a [push.Broker], [broker.Keeper] and [broker.Store] on a StorePort. It starts
// goroutines and a subscriber connection for each node when topics are subscribed to; a
// broker that only publishes has neither.
type Broker struct {
	// static
	options  Options
	store    StorePort
	id       string
	marks    highWaterMarks
	genesis  atomic.Pointer[string] // as last seen; nil if it never was
	problems *problems
	repairs  atomic.Uint64

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // all goroutines; added to with mu held, and not after closed

	mu     sync.Mutex // guards the rest; taken after topic.mu
	topics map[string]*topic
	nodes  map[string]*node // by name
	closed bool
}

var (
	_ broker.Keeper = (*Broker)(nil)
	_ broker.Store  = (*Broker)(nil)
)

// New makes a broker, and asks nothing of the store yet.
func New(store StorePort, o Options) *Broker {
	o = o.WithDefaults()
	b := &Broker{
		options:  o,
		store:    store,
		id:       o.Instance,
		problems: newProblems(o.Name, o.Logger),
		topics:   map[string]*topic{},
		nodes:    map[string]*node{},
	}
	b.marks.life = o.Keep * 3 / 4 // a head may expire after seven eighths
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Health reports what is wrong, or nil: whether the store can be reached and written to,
// whether live messages are heard, and what the store has refused in the last seconds. A
// broker recovers by itself once the cause is gone; its followers stay, and miss nothing.
func (b *Broker) Health(ctx context.Context) error {
	ctx, cancel := deadline(ctx)
	defer cancel()
	if err := b.store.Health(ctx); err != nil {
		return b.problems.explain(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.nodes {
		if err := n.health(); err != nil {
			return err
		}
	}
	return b.problems.health()
}

// Keep is the least time for which a position is kept; see [broker.Keeper].
func (b *Broker) Keep() time.Duration { return b.options.Keep * 7 / 8 }

// Publish stores a message and notifies all instances.
func (b *Broker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	repeatable := m.ID != ""
	if err := b.admitsMessage(&m); err != nil {
		return push.Receipt{}, err
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	mark := b.marks.of(m.Topic)
	var receipt push.Receipt
	err := b.withOrigin(ctx, m.Topic, mark, func(origin Origin) (err error) {
		receipt, err = b.store.Add(ctx, &m, repeatable, mark, origin)
		return err
	})
	if receipt.Position.Offset > 0 {
		b.marks.note(m.Topic, receipt.Position, mark.Position)
	}
	return receipt, b.problems.note(err)
}

// Subscribe makes r get the topic's messages. It waits for a store that can't be reached
// now, but not for one that refuses in a way that waiting won't change.
func (b *Broker) Subscribe(ctx context.Context, name string, r push.Receiver) (broker.Position, error) {
	if err := broker.CheckAnyTopic(name); err != nil {
		return broker.Position{}, push.AsError(err)
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	t, err := b.follow(ctx, name)
	if err != nil {
		return broker.Position{}, b.problems.note(err)
	}
	opening := t.opening()
	select {
	case <-t.opened:
		return t.add(r), nil
	case <-opening.refused:
		b.unfollow(t)
		return broker.Position{}, opening.err
	case <-ctx.Done():
		b.unfollow(t)
		return broker.Position{}, push.AsError(ctx.Err())
	case <-b.ctx.Done():
		return broker.Position{}, ErrClosed
	}
}

// Unsubscribe ends what Subscribe began.
func (b *Broker) Unsubscribe(name string, r push.Receiver) {
	b.mu.Lock()
	t := b.topics[name]
	b.mu.Unlock()
	if t != nil && t.remove(r) {
		b.unfollow(t)
	}
}

// Since reads the messages after a position.
func (b *Broker) Since(ctx context.Context, name string, after broker.Position, limit broker.Limit) (push.Page, error) {
	if err := b.admits(name); err != nil {
		return push.Page{}, err
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	return b.since(ctx, name, after, limit)
}

// Recent reads the newest messages.
func (b *Broker) Recent(ctx context.Context, name string, limit broker.Limit) (push.Page, error) {
	if err := b.admits(name); err != nil {
		return push.Page{}, err
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	return b.recent(ctx, name, limit)
}

func (b *Broker) admits(topic string) error {
	if b.isClosed() {
		return ErrClosed
	}
	if err := broker.CheckAnyTopic(topic); err != nil {
		return push.AsError(err)
	}
	return nil
}

// ErrClosed is the error of every call after Close.
var ErrClosed = push.NewError(push.CodeUnavailable, "the broker is closed", nil)

func (b *Broker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Close ends the broker's goroutines and subscriber connections, and waits for them and
// for the store until the context ends. Closing again does nothing.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	again := b.closed
	topics := b.topics
	b.closed = true
	b.topics, b.nodes = nil, nil
	b.mu.Unlock()
	if again {
		return nil
	}
	b.cancel() // and with it the nodes
	for _, t := range topics {
		t.stopExpiry()
	}
	if err := Wait(ctx, &b.work); err != nil {
		return err
	}
	return b.store.Close(ctx)
}

// Figures returns what the broker has counted, and its store if that is [broker.Metered].
func (b *Broker) Figures() broker.Figures {
	var f broker.Figures
	if store, ok := b.store.(broker.Metered); ok {
		f = store.Figures()
	}
	f.Repairs = b.repairs.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.nodes {
		f.Lag = max(f.Lag, n.lag())
	}
	return f
}

// Held counts what the broker has in memory for topics, for suites that check that it
// doesn't grow.
func (b *Broker) Held() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := map[string]int{"topics": len(b.topics), "nodes": len(b.nodes), "marks": b.marks.count()}
	for _, n := range b.nodes {
		n.mu.Lock()
		held["heard"] += len(n.topics)
		held["leaving"] += len(n.leaving)
		n.mu.Unlock()
	}
	return held
}

// callTimeout is for calls whose context has no deadline.
const callTimeout = 3 * time.Second

func deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}

// Wait waits for goroutines until the context ends.
func Wait(ctx context.Context, work *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
