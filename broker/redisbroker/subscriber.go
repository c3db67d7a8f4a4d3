package redisbroker

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// subscriber is a subscriber connection of go-redis. It uses sharded pub/sub, whatever
// Redis it is, so that brokers with different kinds of clients hear each other.
type subscriber struct {
	connection *redis.PubSub
	server     *server
}

// Subscribe is part of [follow.Subscriber].
func (c *subscriber) Subscribe(ctx context.Context, channels ...string) error {
	return each(channels, func(channel string) error { return c.connection.SSubscribe(ctx, channel) })
}

// Unsubscribe is part of [follow.Subscriber].
func (c *subscriber) Unsubscribe(ctx context.Context, channels ...string) error {
	return each(channels, func(channel string) error { return c.connection.SUnsubscribe(ctx, channel) })
}

// each does something with each channel: one command takes channels of one slot only.
func each(channels []string, do func(channel string) error) error {
	for _, channel := range channels {
		if err := do(channel); err != nil {
			return err
		}
	}
	return nil
}

// Receive is part of [follow.Subscriber].
func (c *subscriber) Receive(ctx context.Context) (follow.Event, error) {
	got, err := c.connection.ReceiveTimeout(ctx, 0)
	if err != nil {
		return follow.Event{}, unavailable(c.server.explained(err))
	}
	switch got := got.(type) {
	case *redis.Message:
		return follow.Event{Kind: follow.EventMessage, Channel: got.Channel, Payload: got.Payload}, nil
	case *redis.Subscription:
		switch got.Kind {
		case "ssubscribe":
			return follow.Event{Kind: follow.EventSubscribed, Channel: got.Channel}, nil
		case "sunsubscribe":
			return follow.Event{Kind: follow.EventUnsubscribed, Channel: got.Channel}, nil
		}
	}
	return follow.Event{}, nil
}

// Close is part of [follow.Subscriber].
func (c *subscriber) Close() { _ = c.connection.Close() }

// Channel is part of [follow.StorePort].
func (s *server) Channel(topic string) string { return s.options.channel(topic) }

// ProbeChannel is part of [follow.StorePort].
func (s *server) ProbeChannel(channel, id string) string { return s.options.probeChannel(channel, id) }

// Decode is part of [follow.StorePort].
func (s *server) Decode(topic, payload string) (*push.Message, error) {
	m, err := parsePublished(topic, payload)
	if err != nil {
		return nil, err
	}
	return m, s.fitsTopic(m)
}

// fitsTopic returns an error for a message that the topic can't have, and notes what its
// rule says of one that it can.
func (s *server) fitsTopic(m *push.Message) error {
	rule := s.options.rules.Of(m.Topic)
	m.TellTime = rule.Time
	return rule.CheckOp(m.Op)
}

// Node returns the address of the node that owns the channel's slot, or "" where there is
// only one.
func (s *server) Node(ctx context.Context, channel string) (string, error) {
	if _, ring := s.client.(*redis.Ring); ring {
		return "", errRing
	}
	if s.cluster == nil {
		return "", nil
	}
	owner, err := s.owner(ctx, channel)
	if err != nil {
		return "", err
	}
	return owner.Options().Addr, nil
}

// owner returns the node of a key's slot. It waits only until the Cluster has said once
// where its slots are.
func (s *server) owner(ctx context.Context, key string) (*redis.Client, error) {
	if !s.known.Load() {
		if err := s.heed(ctx, func() error { _, err := s.cluster.MasterForKey(ctx, key); return err }); err != nil {
			return nil, err
		}
		s.known.Store(true)
	}
	owner, err := s.cluster.MasterForKey(ctx, key)
	return owner, unavailable(err)
}

// Subscriber is part of [follow.StorePort].
func (s *server) Subscriber(ctx context.Context, channel string) (follow.Subscriber, error) {
	// The connection outlives this call, and ends by Close.
	ctx = context.WithoutCancel(ctx)
	if s.cluster == nil {
		return &subscriber{s.client.SSubscribe(ctx), s}, nil
	}
	owner, err := s.owner(ctx, channel)
	if err != nil {
		return nil, err
	}
	return &subscriber{owner.SSubscribe(ctx), s}, nil
}

// Reload is part of [follow.StorePort].
func (s *server) Reload(ctx context.Context) {
	if s.cluster != nil {
		s.cluster.ReloadState(ctx)
	}
}
