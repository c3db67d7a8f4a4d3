package serve

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// pingTimeout is how long Redis may take to answer at the start.
const pingTimeout = 5 * time.Second

// Broker opens the broker that an example's -redis flag asks for: the Redis at a
// URL, which must answer, or the memory of this process without one. A URL names a
// Cluster by ?addr= with the address of another node, and what Sentinels watch by
// ?master_name=. Of the options the memory takes those that it has too.
func Broker(ctx context.Context, address string, options redisbroker.Options) (push.Broker, error) {
	if address == "" {
		return membroker.New(membroker.Options{
			Topics: options.Topics, Retry: options.Retry, History: options.History, MaxMessage: options.MaxMessage,
		}), nil
	}
	client, err := redisClient(address)
	if err != nil {
		return nil, err
	}
	b := redisBroker{redisbroker.New(client, options), client}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := b.Health(ctx); err != nil {
		return nil, errors.Join(err, b.Close(ctx))
	}
	return b, nil
}

var errURL = errors.New("the URL of Redis is malformed; characters such as % # / ? and @ in a password are written as %25 %23 %2F %3F and %40")

func redisClient(address string) (redis.UniversalClient, error) {
	parsed, err := url.Parse(address)
	if err != nil { // which quotes it
		return nil, errURL
	}
	query := parsed.Query()
	switch {
	case query.Has("master_name"):
		options, err := redis.ParseFailoverURL(address)
		if err != nil {
			return nil, err
		}
		return redis.NewFailoverClient(options), nil
	case query.Has("addr"):
		options, err := redis.ParseClusterURL(address)
		if err != nil {
			return nil, err
		}
		return redis.NewClusterClient(options), nil
	default:
		options, err := redis.ParseURL(address)
		if err != nil {
			return nil, err
		}
		return redis.NewClient(options), nil
	}
}

// redisBroker closes its client, too.
type redisBroker struct {
	*redisbroker.Broker
	client redis.UniversalClient
}

func (b redisBroker) Close(ctx context.Context) error {
	return errors.Join(b.Broker.Close(ctx), b.client.Close())
}
