package serve

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// pingTimeout is how long Redis may take to answer at the start.
const pingTimeout = 5 * time.Second

// Broker opens the broker that an example's -redis flag asks for: the Redis at
// url, which must answer, or the memory of this process if url is empty. Zero
// History and retry are the brokers' defaults.
func Broker(ctx context.Context, url string, history push.History, retry time.Duration) (push.Broker, error) {
	if url == "" {
		return membroker.New(membroker.Options{History: history, Retry: retry}), nil
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(options)
	b := redisBroker{redisbroker.New(client, redisbroker.Options{History: history, Retry: retry}), client}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := b.Health(ctx); err != nil {
		return nil, errors.Join(err, b.Close(ctx))
	}
	return b, nil
}

// redisBroker closes its client, too.
type redisBroker struct {
	*redisbroker.Broker
	client *redis.Client
}

func (b redisBroker) Close(ctx context.Context) error {
	return errors.Join(b.Broker.Close(ctx), b.client.Close())
}
