package redisbroker_test

import (
	"testing"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

func TestStore(t *testing.T) {
	redis := startRedis(t)
	brokertest.RunStore(t, func(*testing.T, brokertest.Config) push.Broker {
		return redisbroker.New(redis.client(), redisbroker.Options{Prefix: prefix()})
	})
}

func TestBroker(t *testing.T) {
	redis := startRedis(t)
	admin := redis.client()
	brokertest.Run(t, func(t *testing.T, c brokertest.Config) push.Broker {
		return redisbroker.New(redis.client(), redisbroker.Options{
			Prefix: prefix(), History: c.History, MaxMessage: c.MaxMessage, Retry: c.Retry,
		})
	}, func(t *testing.T, b push.Broker) map[string]int {
		cost := b.(*redisbroker.Broker).Held()
		pattern := b.(*redisbroker.Broker).Prefix() + "*"
		keys := admin.Keys(t.Context(), pattern).Val()
		for _, key := range keys {
			cost["bytes"] += int(admin.MemoryUsage(t.Context(), key).Val())
			if admin.PTTL(t.Context(), key).Val() > 0 {
				cost["expiring keys"]++
			}
		}
		channels := admin.PubSubChannels(t.Context(), pattern).Val()
		cost["keys"], cost["channels"] = len(keys), len(channels)
		return cost
	})
}

func TestTwoOptionsPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("one of two Options is dropped")
		}
	}()
	redisbroker.New(nil, redisbroker.Options{}, redisbroker.Options{Prefix: "other:"})
}
