package redisbroker

import (
	"context"
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

// Keys are the keys of a topic.
func (b *Broker) Keys(topic string) []string {
	meta, stream := newServer(nil, b.options).keys(topic)
	return []string{meta, stream}
}

// PublishArgs is the command that publishes a message.
func PublishArgs(topic string, data []byte) []any {
	m := push.Message{Topic: topic, Data: data}
	_ = m.Prepare(len(data))
	return newServer(nil, Options{}.withDefaults()).addition(&m, false, push.Position{}).command.Args()
}
