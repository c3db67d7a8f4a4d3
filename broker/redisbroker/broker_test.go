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
	brokertest.Run(t, func(t *testing.T, c brokertest.Config) push.Broker {
		return redisbroker.New(redis.client(), redisbroker.Options{
			Prefix: prefix(), History: c.History, MaxMessage: c.MaxMessage,
		})
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
