// Package redisbroker is the broker over Redis 7 or newer, on its own, with
// Sentinel or as a Cluster: any number of instances and of services that only
// publish behave as one.
//
// A topic's history is a stream, its head a hash. One script stores a message
// and sends it to the instances; another reads. Live messages come by pub/sub,
// which may lose some: that shows by their offsets, by a check of all quiet topics
// every few seconds, and after each reconnect, and what is missing is then read
// once for all clients of the instance.
//
// A call walks through the files in this order: broker.go is what [push.Broker]
// asks for, topic.go and history.go decide what followers are told, link.go and
// check.go listen and doubt what is heard. All that they ask of Redis stands in
// port.go. Below it, server.go calls the scripts, lane.go sends calls together,
// and pubsub.go listens.
package redisbroker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
)

// Broker is a [push.Broker] on Redis. It starts goroutines and a connection for
// pub/sub (on a Cluster, one for each node) when topics are subscribed to; a broker
// that only publishes has neither.
type Broker struct {
	// static
	options   Options
	port      port
	id        string
	witnesses witnesses
	genesis   atomic.Pointer[string] // as it was last seen; nil if it wasn't
	troubles  *troubles

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // all goroutines; added to with mu held, and not after closed

	mu     sync.Mutex // guards the rest; taken after topic.mu
	topics map[string]*topic
	links  map[string]*link // by place
	closed bool
}

var _ push.Keeper = (*Broker)(nil)

// New makes a broker on the application's client (a *redis.Client, of Sentinel
// too, or a *redis.ClusterClient), which stays open when the broker is closed and
// should have timeouts, as go-redis' defaults have. More than one Options panics.
// Nothing is sent to Redis yet; see [Broker.Health].
func New(client redis.UniversalClient, options ...Options) *Broker {
	o := optional.One(options).withDefaults()
	return newBroker(newServer(client, o), o)
}

func newBroker(p port, o Options) *Broker {
	o = o.withDefaults()
	b := &Broker{
		options:  o,
		port:     p,
		id:       uuid.NewString(),
		troubles: newTroubles(o.Logger),
		topics:   map[string]*topic{},
		links:    map[string]*link{},
	}
	b.witnesses.life = o.Keep * 3 / 4 // a head may go after seven eighths
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Health tells what is wrong, or nil: whether Redis can be reached and written to,
// is new enough, whether live messages are heard, and what Redis has refused in the
// last seconds. A broker that isn't healthy heals by itself once the cause is gone; its
// followers stay, and will miss nothing.
func (b *Broker) Health(ctx context.Context) error {
	ctx, cancel := deadline(ctx)
	defer cancel()
	if err := b.port.health(ctx); err != nil {
		return b.troubles.explain(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.links {
		if err := l.health(); err != nil {
			return err
		}
	}
	return b.troubles.health()
}

// Keep is the least of Options.Keep; see [push.Keeper].
func (b *Broker) Keep() time.Duration { return b.options.Keep * 7 / 8 }

// Publish stores a message and sends it to all instances. With m.Replicated it
// waits for a replica as well, at most Options.ReplicaTimeout.
func (b *Broker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	repeatable := m.ID != ""
	if err := m.Prepare(b.options.MaxMessage); err != nil {
		return push.Receipt{}, err
	}
	if b.isClosed() {
		return push.Receipt{}, errClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	w := b.witnesses.at(m.Topic)
	var receipt push.Receipt
	err := b.beginning(ctx, m.Topic, w, func(o origin) (err error) {
		receipt, err = b.port.add(ctx, &m, repeatable, w, o)
		return err
	})
	if !receipt.Position.IsZero() {
		b.witnesses.note(m.Topic, receipt.Position, w.Position)
	}
	return receipt, b.troubles.note(err)
}

// Subscribe makes r get the topic's messages. It waits for a Redis that can't be
// reached now, but not for one that waiting won't help: the wrong kind, too old, or one
// that doesn't admit the broker.
func (b *Broker) Subscribe(ctx context.Context, name string, r push.Receiver) (push.Position, error) {
	if err := push.CheckAnyTopic(name); err != nil {
		return push.Position{}, err
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	t, err := b.follow(ctx, name)
	if err != nil {
		return push.Position{}, b.troubles.note(err)
	}
	opening := t.opening()
	select {
	case <-t.opened:
		return t.add(r), nil
	case <-opening.refused:
		b.unfollow(t)
		return push.Position{}, opening.err
	case <-ctx.Done():
		b.unfollow(t)
		return push.Position{}, push.AsError(ctx.Err())
	case <-b.ctx.Done():
		return push.Position{}, errClosed
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

// Since reads what came after a position.
func (b *Broker) Since(ctx context.Context, name string, after push.Position, limit push.Limit) (push.Page, error) {
	if err := b.admits(name); err != nil {
		return push.Page{}, err
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	return b.since(ctx, name, after, limit)
}

// Recent reads the newest messages.
func (b *Broker) Recent(ctx context.Context, name string, n int) (push.Page, error) {
	if err := b.admits(name); err != nil {
		return push.Page{}, err
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	return b.recent(ctx, name, n)
}

func (b *Broker) admits(topic string) error {
	if b.isClosed() {
		return errClosed
	}
	return push.CheckAnyTopic(topic)
}

var errClosed = push.Errorf(push.CodeUnavailable, "the broker is closed", nil)

func (b *Broker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Close ends the broker's goroutines and its connections for pub/sub.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.topics, b.links = nil, nil
	b.mu.Unlock()
	if again {
		return nil
	}
	b.cancel() // and with it the links
	if err := wait(ctx, &b.work); err != nil {
		return err
	}
	return b.port.close(ctx)
}

// callTimeout is for calls whose context has no deadline.
const callTimeout = 3 * time.Second

func deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}

// wait waits for goroutines until the context ends.
func wait(ctx context.Context, work *sync.WaitGroup) error {
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
