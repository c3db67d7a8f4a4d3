package redisbroker

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

// NewLossy makes a broker that loses as many messages of pub/sub as lose says.
func NewLossy(client redis.UniversalClient, options Options) (b *Broker, lose *atomic.Int32) {
	o := options.withDefaults()
	p := &lossyPort{port: newServer(client, o)}
	return newBroker(p, o), &p.lose
}

type lossyPort struct {
	port
	lose atomic.Int32
}

func (p *lossyPort) open(ctx context.Context, channel string) (line, error) {
	l, err := p.port.open(ctx, channel)
	return &lossyLine{l, p}, err
}

type lossyLine struct {
	line
	port *lossyPort
}

func (l *lossyLine) receive(ctx context.Context) (notice, error) {
	n, err := l.line.receive(ctx)
	if _, parseErr := parsePublished("a", n.text); n.kind == noticeMessage && parseErr == nil && l.port.lose.Add(-1) >= 0 {
		return notice{}, err
	}
	return n, err
}

// NewDeaf makes a broker whose connection of the moment hears nothing any more once
// deafen is called. lines tells how many there have been.
func NewDeaf(client redis.UniversalClient, options Options) (b *Broker, deafen func(), lines func() int64) {
	o := options.withDefaults()
	p := &deafPort{port: newServer(client, o)}
	return newBroker(p, o), func() { p.newest.Load().deaf.Store(true) }, p.opened.Load
}

type deafPort struct {
	port
	newest atomic.Pointer[deafLine]
	opened atomic.Int64
}

func (p *deafPort) open(ctx context.Context, channel string) (line, error) {
	l, err := p.port.open(ctx, channel)
	made := &deafLine{line: l}
	p.newest.Store(made)
	p.opened.Add(1)
	return made, err
}

type deafLine struct {
	line
	deaf atomic.Bool
}

func (l *deafLine) receive(ctx context.Context) (notice, error) {
	n, err := l.line.receive(ctx)
	if l.deaf.Load() {
		n = notice{}
	}
	return n, err
}

// NewOnOldRedis makes a broker whose scripts see no version, as before Redis 7.
func NewOnOldRedis(client redis.UniversalClient) *Broker {
	o := Options{}.withDefaults()
	s := newServer(client, o)
	for _, script := range []*script{s.publish, s.fetch, s.beginnings} {
		*script = *newScript(strings.Replace(script.source, "redis.REDIS_VERSION_NUM", "nil", 1))
	}
	return newBroker(s, o)
}

// Prefix starts the broker's keys and channels.
func (b *Broker) Prefix() string { return b.options.Prefix }

// Held is what the broker has in memory for topics.
func (b *Broker) Held() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.witnesses
	w.mu.Lock()
	defer w.mu.Unlock()
	held := map[string]int{"topics": len(b.topics), "links": len(b.links), "witnesses": len(w.followed) + len(w.newest) + len(w.older)}
	for _, l := range b.links {
		l.mu.Lock()
		held["heard"] += len(l.topics)
		held["leaving"] += len(l.leaving)
		l.mu.Unlock()
	}
	return held
}

// Keys are the keys of a topic.
func (b *Broker) Keys(topic string) []string {
	meta, stream := newServer(nil, b.options).keys(topic)
	return []string{meta, stream}
}

// PublishArgs is the command that publishes a message.
func PublishArgs(topic string, data []byte) []any {
	m := push.Message{Topic: topic, Data: data}
	_ = m.Prepare(len(data))
	return newServer(nil, Options{}.withDefaults()).addition(&m, false, witness{}, origin{genesis: "g", epoch: 1}).command.Args()
}

// Published is what instances are sent of a stored message, and where.
func Published(m *push.Message) (channel, text string) {
	return Options{}.withDefaults().channel(m.Topic), published(m)
}

// Heads compares topics as the check does.
func (b *Broker) Heads(ctx context.Context, topics []string) error {
	_, err := b.port.heads(ctx, topics)
	return err
}
