// Package redisbroker is the broker over Redis 7 or newer: any number of
// instances and of services that only publish behave as one.
//
// A topic's history is a stream, its head a hash. One script stores a message
// and sends it to the instances; another reads. Live messages come by pub/sub,
// which may lose some: that shows by their offsets, by a check of all followed
// topics every few seconds, and after each reconnect, and what is missing is then
// read once for all clients of the instance.
//
// It is tested on a single Redis. A client of Sentinel should do, but no failover has
// been tried yet; a Redis Cluster isn't supported yet.
package redisbroker

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

// Options configures a [Broker]. The zero value of each field is its production
// default.
type Options struct {
	// Prefix starts the names of all keys and channels. Default "tidewire:".
	Prefix string
	// History bounds what is kept of each topic. Default 1,000 messages, 4 MiB,
	// 10 minutes.
	History push.History
	// MaxMessage is the largest message, in bytes of data. Default 64 KiB.
	MaxMessage int
	// Retry is how long a message ID is remembered, so that publishing it again
	// adds nothing. Default 5 minutes.
	Retry time.Duration
	// Keep is how long a topic that nobody uses keeps its epoch and offset.
	// Default 24 hours.
	Keep time.Duration
	// Check is how often the followed topics are compared with Redis, which finds
	// lost pub/sub messages and a history that has gone back in time. Default 2 s.
	Check time.Duration
	// Logger gets what operators should know. Default slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "tidewire:"
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
	if o.Check == 0 {
		o.Check = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Broker is a [push.Broker] on Redis. It starts goroutines and a connection for
// pub/sub when a topic is first subscribed to; a broker that only publishes has
// neither.
type Broker struct {
	options Options
	store   *store
	client  redis.UniversalClient

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // all goroutines; added to with mu held, and not after closed

	mu        sync.Mutex // guards the rest; taken after topic.mu
	topics    map[string]*topic
	listener  *listener // runs from the first subscription to Close
	witnesses witnesses
	closed    bool
}

var _ push.Broker = (*Broker)(nil)

// New makes a broker on the application's client, which stays open when the
// broker is closed. It takes at most one Options. Nothing is sent to Redis yet.
func New(client redis.UniversalClient, options ...Options) *Broker {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	o = o.withDefaults()
	b := &Broker{options: o, store: newStore(client, o), client: client, topics: map[string]*topic{}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Ping tells whether Redis answers and is new enough.
func (b *Broker) Ping(ctx context.Context) error {
	info, err := b.client.Info(ctx, "server").Result()
	if err != nil {
		return unavailable(err)
	}
	for line := range strings.Lines(info) {
		if version, ok := strings.CutPrefix(line, "redis_version:"); ok {
			return checkVersion(strings.TrimSpace(version))
		}
	}
	return nil // a service that speaks the protocol and hides its version
}

const oldestMajor = 7

func checkVersion(version string) error {
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldestMajor {
		return push.Errorf(push.CodeUnavailable, "the broker's Redis is too old",
			fmt.Errorf("redisbroker: Redis %s; %d.0 or newer is needed", version, oldestMajor))
	}
	return nil
}

// Publish stores a message and sends it to all instances.
func (b *Broker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	named := m.ID != ""
	if err := m.Prepare(b.options.MaxMessage); err != nil {
		return push.Receipt{}, err
	}
	witness, err := b.witness(m.Topic)
	if err != nil {
		return push.Receipt{}, err
	}
	receipt, err := b.store.add(ctx, &m, named, witness)
	if err == nil {
		b.remember(m.Topic, receipt.Position)
	}
	return receipt, err
}

// Subscribe makes r get the topic's messages.
func (b *Broker) Subscribe(ctx context.Context, name string, r push.Receiver) (push.Position, error) {
	if err := push.CheckTopic(name); err != nil {
		return push.Position{}, err
	}
	t, err := b.follow(name)
	if err != nil {
		return push.Position{}, err
	}
	select {
	case <-t.opened:
	case <-ctx.Done():
		b.unfollow(t)
		return push.Position{}, push.AsError(ctx.Err())
	case <-b.ctx.Done():
		return push.Position{}, errClosed
	}
	return t.add(r), nil
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
	witness, err := b.open(name)
	if err != nil {
		return push.Page{}, err
	}
	return b.store.since(ctx, name, after, limit, witness)
}

// Recent reads the newest messages.
func (b *Broker) Recent(ctx context.Context, name string, n int) (push.Page, error) {
	witness, err := b.open(name)
	if err != nil {
		return push.Page{}, err
	}
	return b.store.recent(ctx, name, n, witness)
}

func (b *Broker) open(name string) (push.Position, error) {
	if err := push.CheckTopic(name); err != nil {
		return push.Position{}, err
	}
	return b.witness(name)
}

var errClosed = push.Errorf(push.CodeUnavailable, "the broker is closed", nil)

// Close ends the broker's goroutines and its connection for pub/sub.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.topics = map[string]*topic{}
	l := b.listener
	b.mu.Unlock()
	if again {
		return nil
	}
	b.cancel()
	if l != nil {
		l.close()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.work.Wait()
	}()
	select {
	case <-done:
		return b.store.calls.wait(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start runs f until it returns, unless the broker is closed. Called with b.mu
// held.
func (b *Broker) start(f func()) {
	if !b.closed {
		b.work.Go(f)
	}
}

// follow counts one more follower of a topic, and begins to listen for the first.
func (b *Broker) follow(name string) (*topic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	if b.listener == nil {
		b.listener = newListener(b)
		b.start(b.listener.run)
		b.start(b.checkTopics)
	}
	t := b.topics[name]
	if t == nil {
		t = newTopic(b, name)
		b.topics[name] = t
		b.listener.want(t.channel)
	}
	t.followers++
	return t, nil
}

// unfollow counts one follower less, and stops to listen after the last.
func (b *Broker) unfollow(t *topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.followers--
	if t.followers == 0 && b.topics[t.name] == t {
		delete(b.topics, t.name)
		b.listener.unwant(t.channel)
	}
}

// byChannel finds a followed topic.
func (b *Broker) byChannel(channel string) *topic {
	_, name, ok := strings.Cut(channel, "}")
	if !ok {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.topics[name]; t != nil && t.channel == channel {
		return t
	}
	return nil
}

// followed gives all followed topics.
func (b *Broker) followed() []*topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	topics := make([]*topic, 0, len(b.topics))
	for _, t := range b.topics {
		topics = append(topics, t)
	}
	return topics
}

// checkTopics compares each followed topic with Redis every so often.
func (b *Broker) checkTopics() {
	ticker := time.NewTicker(b.options.Check)
	defer ticker.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, t := range b.followed() {
			if b.ctx.Err() != nil {
				return
			}
			t.check()
		}
	}
}
