package redisbroker

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// NewLossy makes a broker that loses as many messages of pub/sub as lose says.
func NewLossy(client redis.UniversalClient, options Options) (b *Broker, lose *atomic.Int32) {
	o := options.withDefaults()
	p := &lossyStore{StorePort: newServer(client, o)}
	return newBroker(p, o), &p.lose
}

type lossyStore struct {
	follow.StorePort
	lose atomic.Int32
}

func (p *lossyStore) Subscriber(ctx context.Context, channel string) (follow.Subscriber, error) {
	made, err := p.StorePort.Subscriber(ctx, channel)
	return &lossySubscriber{made, p}, err
}

type lossySubscriber struct {
	follow.Subscriber
	store *lossyStore
}

func (s *lossySubscriber) Receive(ctx context.Context) (follow.Event, error) {
	e, err := s.Subscriber.Receive(ctx)
	if _, parseErr := parsePublished("a", e.Payload); e.Kind == follow.EventMessage && parseErr == nil && s.store.lose.Add(-1) >= 0 {
		return follow.Event{}, err
	}
	return e, err
}

// NewSilenced makes a broker whose connection of the moment hears nothing any more once
// silence is called. made returns how many connections there have been.
func NewSilenced(client redis.UniversalClient, options Options) (b *Broker, silence func(), made func() int64) {
	o := options.withDefaults()
	p := &silencedStore{StorePort: newServer(client, o)}
	return newBroker(p, o), func() { p.newest.Load().silent.Store(true) }, p.made.Load
}

type silencedStore struct {
	follow.StorePort
	newest atomic.Pointer[silencedSubscriber]
	made   atomic.Int64
}

func (p *silencedStore) Subscriber(ctx context.Context, channel string) (follow.Subscriber, error) {
	made, err := p.StorePort.Subscriber(ctx, channel)
	s := &silencedSubscriber{Subscriber: made}
	p.newest.Store(s)
	p.made.Add(1)
	return s, err
}

type silencedSubscriber struct {
	follow.Subscriber
	silent atomic.Bool
}

func (s *silencedSubscriber) Receive(ctx context.Context) (follow.Event, error) {
	e, err := s.Subscriber.Receive(ctx)
	if s.silent.Load() {
		e = follow.Event{}
	}
	return e, err
}

// NewOnOldRedis makes a broker whose scripts see no version, as before Redis 7.
func NewOnOldRedis(client redis.UniversalClient) *Broker {
	o := Options{}.withDefaults()
	s := newServer(client, o)
	for _, script := range []*script{s.publish, s.fetch, s.genesis} {
		*script = *newScript(strings.Replace(script.source, "redis.REDIS_VERSION_NUM", "nil", 1))
	}
	return newBroker(s, o)
}

// Prefix starts the broker's keys and channels.
func (b *Broker) Prefix() string { return b.options.Prefix }

// Held is what the broker has in memory for topics.
func (b *Broker) Held() map[string]int { return b.follow.Held() }

// Channel is a topic's channel.
func Channel(topic string) string { return Options{}.withDefaults().channel(topic) }

// Keys are the keys of a topic.
func (b *Broker) Keys(topic string) []string {
	meta, stream := b.keys(topic)
	return []string{meta, stream}
}

// keys are the keys of a topic's head and history.
func (b *Broker) keys(topic string) (meta, stream string) {
	meta, stream, _ = b.options.topicKeys(topic, "")
	return meta, stream
}

// PublishArgs is the command that publishes a message.
func PublishArgs(topic string, data []byte) []any {
	m := push.Message{Topic: topic, Data: data}
	_ = m.Prepare(len(data))
	return newServer(nil, Options{}.withDefaults()).addition(&m, false, follow.HighWater{}, follow.Origin{Genesis: "g", Epoch: 1}).command.Args()
}

// Published is what instances are sent of a stored message, and where.
func Published(m *push.Message) (channel, text string) {
	return Options{}.withDefaults().channel(m.Topic), published(m)
}

// NewChecker makes a store for the comparison of heads, as the check does it.
func NewChecker(client redis.UniversalClient) follow.StorePort {
	return newServer(client, Options{}.withDefaults())
}
