package redisbroker

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// pubsub is a line on go-redis. It is of sharded pub/sub, whatever Redis it is:
// so brokers with different kinds of clients hear each other.
type pubsub struct {
	connection *redis.PubSub
	server     *server
}

func (p *pubsub) subscribe(ctx context.Context, channels ...string) error {
	return each(channels, func(channel string) error { return p.connection.SSubscribe(ctx, channel) })
}

func (p *pubsub) unsubscribe(ctx context.Context, channels ...string) error {
	return each(channels, func(channel string) error { return p.connection.SUnsubscribe(ctx, channel) })
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

func (p *pubsub) receive(ctx context.Context) (notice, error) {
	got, err := p.connection.ReceiveTimeout(ctx, 0)
	if err != nil {
		return notice{}, unavailable(p.server.explained(err))
	}
	switch got := got.(type) {
	case *redis.Message:
		return notice{noticeMessage, got.Channel, got.Payload}, nil
	case *redis.Subscription:
		switch got.Kind {
		case "ssubscribe":
			return notice{noticeSubscribed, got.Channel, ""}, nil
		case "sunsubscribe":
			return notice{noticeUnsubscribed, got.Channel, ""}, nil
		}
	}
	return notice{}, nil
}

func (p *pubsub) close() { _ = p.connection.Close() }

// place is the address of the node that owns the channel's slot, or nothing where
// there is only one.
func (s *server) place(ctx context.Context, channel string) (string, error) {
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

// owner gives the node of a key's slot. Only until the Cluster has told once where
// its slots are has that to be waited for.
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

func (s *server) open(ctx context.Context, channel string) (line, error) {
	// The connection outlives this call, and ends by close.
	ctx = context.WithoutCancel(ctx)
	if s.cluster == nil {
		return &pubsub{s.client.SSubscribe(ctx), s}, nil
	}
	owner, err := s.owner(ctx, channel)
	if err != nil {
		return nil, err
	}
	return &pubsub{owner.SSubscribe(ctx), s}, nil
}

func (s *server) look(ctx context.Context) {
	if s.cluster != nil {
		s.cluster.ReloadState(ctx)
	}
}
