package redisbroker

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

// pubsub is a line on go-redis.
type pubsub struct {
	connection *redis.PubSub
	sharded    bool // a Cluster's channels have a slot, like keys
}

func (p *pubsub) subscribe(ctx context.Context, channels ...string) error {
	return p.tell(ctx, channels, p.connection.Subscribe, p.connection.SSubscribe)
}

func (p *pubsub) unsubscribe(ctx context.Context, channels ...string) error {
	return p.tell(ctx, channels, p.connection.Unsubscribe, p.connection.SUnsubscribe)
}

// tell uses one of two commands. The sharded ones take channels of one slot only.
func (p *pubsub) tell(ctx context.Context, channels []string, plain, sharded func(context.Context, ...string) error) error {
	if !p.sharded {
		return plain(ctx, channels...)
	}
	for _, channel := range channels {
		if err := sharded(ctx, channel); err != nil {
			return err
		}
	}
	return nil
}

func (p *pubsub) receive(ctx context.Context) (notice, error) {
	got, err := p.connection.ReceiveTimeout(ctx, 0)
	if err != nil {
		return notice{}, err
	}
	switch got := got.(type) {
	case *redis.Message:
		return notice{noticeMessage, got.Channel, got.Payload}, nil
	case *redis.Subscription:
		switch got.Kind {
		case "subscribe", "ssubscribe":
			return notice{noticeSubscribed, got.Channel, ""}, nil
		case "unsubscribe", "sunsubscribe":
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

var errRing = internal(errors.New("redisbroker: a redis.Ring can't be used; use a Cluster"))

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
		return &pubsub{connection: s.client.Subscribe(ctx)}, nil
	}
	owner, err := s.owner(ctx, channel)
	if err != nil {
		return nil, err
	}
	return &pubsub{connection: owner.SSubscribe(ctx), sharded: true}, nil
}

func (s *server) look(ctx context.Context) {
	if s.cluster != nil {
		s.cluster.ReloadState(ctx)
	}
}

const tooOld = "TOOOLD" // see head.lua

// unavailable makes Redis' errors ones that a client may be told. Nil stays nil.
func unavailable(err error) error {
	var known *push.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return push.AsError(err)
	case redis.HasErrorPrefix(err, "OOM"):
		return push.Errorf(push.CodeUnavailable, "the broker's memory is full", err)
	case redis.HasErrorPrefix(err, "READONLY"):
		return push.Errorf(push.CodeUnavailable, "the broker can't be written to now", err)
	case redis.HasErrorPrefix(err, tooOld):
		return push.Errorf(push.CodeUnavailable, "the broker's Redis is too old", err)
	default:
		return push.Errorf(push.CodeUnavailable, "the broker can't be reached now", err)
	}
}
