package redisbroker

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// listener is the broker's connection for pub/sub. Its goroutine only reads: it
// hands messages to topics, whose queues never block, and makes a topic read from
// history each time its channel is subscribed, which is also after each reconnect.
type listener struct {
	broker *Broker

	mu       sync.Mutex // guards the rest
	pubsub   *redis.PubSub
	channels map[string]bool
	changes  []change // to be told to Redis, in order
	wake     chan struct{}
}

type change struct {
	channel string
	wanted  bool
}

const (
	silence      = 5 * time.Second // after it the connection is pinged
	minReconnect = 50 * time.Millisecond
	maxReconnect = time.Second
)

func newListener(b *Broker) *listener {
	return &listener{
		broker:   b,
		pubsub:   b.client.Subscribe(context.WithoutCancel(b.ctx)),
		channels: map[string]bool{},
		wake:     make(chan struct{}, 1),
	}
}

// want and unwant change what is listened to; the last word counts. They don't
// wait for Redis.
func (l *listener) want(channel string)   { l.change(change{channel, true}) }
func (l *listener) unwant(channel string) { l.change(change{channel, false}) }

func (l *listener) change(c change) {
	l.mu.Lock()
	l.changes = append(l.changes, c)
	l.mu.Unlock()
	l.notify()
}

func (l *listener) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// close ends the read that waits.
func (l *listener) close() { _ = l.connection().Close() }

func (l *listener) connection() *redis.PubSub {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pubsub
}

// renew replaces the connection by one that is subscribed to all channels.
func (l *listener) renew() {
	l.mu.Lock()
	old := l.pubsub
	l.pubsub = l.broker.client.Subscribe(context.WithoutCancel(l.broker.ctx))
	for channel := range l.channels {
		l.changes = append(l.changes, change{channel, true})
	}
	l.mu.Unlock()
	_ = old.Close()
	l.notify()
}

// run reads until the broker is closed, beside a goroutine that subscribes.
func (l *listener) run() {
	var subscribing sync.WaitGroup
	subscribing.Go(l.subscribe)
	defer subscribing.Wait()
	backoff := minReconnect
	quiet := false
	for l.broker.ctx.Err() == nil {
		connection := l.connection()
		got, err := connection.ReceiveTimeout(l.broker.ctx, silence)
		var timeout net.Error
		switch {
		case err == nil:
			backoff, quiet = minReconnect, false
			l.take(got)
		case errors.As(err, &timeout) && timeout.Timeout() && !quiet:
			quiet = true
			_ = connection.Ping(l.broker.ctx) // the next read tells
		case l.broker.ctx.Err() == nil:
			l.broker.options.Logger.Warn("redisbroker: pub/sub connection lost", "error", err)
			quiet = false
			select {
			case <-l.broker.ctx.Done():
			case <-time.After(backoff):
				backoff = min(2*backoff, maxReconnect)
				l.renew()
			}
		}
	}
	l.close()
}

// take acts on what Redis has sent.
func (l *listener) take(got any) {
	switch got := got.(type) {
	case *redis.Subscription:
		if t := l.broker.byChannel(got.Channel); t != nil && got.Kind != "unsubscribe" {
			t.repair()
		}
	case *redis.Message:
		t := l.broker.byChannel(got.Channel)
		if t == nil {
			return
		}
		m, err := parsePublished(t.name, got.Payload)
		if err != nil {
			l.broker.options.Logger.Warn("redisbroker: foreign message on a channel", "topic", t.name, "error", err)
			t.repair()
			return
		}
		t.take(m)
	}
}

// subscribe tells Redis what is wanted, until the broker is closed.
func (l *listener) subscribe() {
	for {
		select {
		case <-l.broker.ctx.Done():
			return
		case <-l.wake:
		}
		for {
			add, remove := l.next()
			if len(add)+len(remove) == 0 {
				break
			}
			// What fails is done when the connection is there again: go-redis keeps the list.
			connection := l.connection()
			if len(remove) > 0 {
				_ = connection.Unsubscribe(l.broker.ctx, remove...)
			}
			if len(add) > 0 {
				_ = connection.Subscribe(l.broker.ctx, add...)
			}
		}
	}
}

// next gives the channels whose state has changed since the last call.
func (l *listener) next() (add, remove []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := map[string]bool{}
	for _, c := range l.changes {
		last[c.channel] = c.wanted
	}
	l.changes = nil
	for channel, wanted := range last {
		switch {
		case wanted:
			// Subscribing again is confirmed again, which makes the new follower's topic read.
			l.channels[channel] = true
			add = append(add, channel)
		case l.channels[channel]:
			delete(l.channels, channel)
			remove = append(remove, channel)
		}
	}
	return add, remove
}
