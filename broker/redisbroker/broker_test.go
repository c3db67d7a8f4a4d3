package redisbroker_test

import (
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestBroker(t *testing.T) { brokertest.Run(t, onRedis(t)) }

func TestStore(t *testing.T) { brokertest.RunStore(t, onRedis(t)) }

// onRedis makes backends on one real Redis, each with its own prefix.
func onRedis(t *testing.T) brokertest.New {
	redis := startRedis(t)
	admin := redis.client()
	return func(_ testing.TB, c brokertest.Options) brokertest.Backend {
		o := redisbroker.Options{
			Prefix: prefix(), History: c.History, Topics: c.Topics, MaxMessage: c.MaxMessage, Retry: c.Retry, Logger: slog.New(slog.DiscardHandler),
		}
		lose := map[push.Broker]*atomic.Int32{}
		check := func(t testing.TB, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		return brokertest.Backend{
			Instance: func(testing.TB) push.Broker {
				b, n := redisbroker.NewLossy(redis.client(), o)
				lose[b] = n
				return b
			},
			Cost: func(t testing.TB) map[string]int {
				cost := map[string]int{}
				for b := range lose {
					for what, n := range b.(*redisbroker.Broker).Held() {
						cost[what] += n
					}
				}
				pattern := o.Prefix + "*"
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
			},
			Lose: func(t testing.TB, b push.Broker, n int) {
				lose[b].Store(int32(n))
				t.Cleanup(func() {
					testaid.Eventually(t, "the loss of all messages that were to be lost", func() bool { return lose[b].Load() <= 0 })
				})
			},
			Cut: func(t testing.TB, _ push.Broker) {
				t.Helper()
				testaid.Eventually(t, "a connection to cut", func() bool {
					killed, err := admin.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result()
					check(t, err)
					return killed > 0
				})
			},
			Restart: func(t testing.TB) {
				t.Helper()
				check(t, errors.Join(redis.Save(), redis.Stop(os.Kill), redis.Restart()))
			},
			Erase: func(t testing.TB) {
				t.Helper()
				check(t, errors.Join(redis.Stop(os.Kill), redis.Forget(), redis.Restart()))
			},
			Fork: func(t testing.TB, topic string) {
				t.Helper()
				b := redisbroker.New(admin, o)
				defer b.Close(t.Context())
				check(t, admin.HSet(t.Context(), b.Keys(topic)[0], "t", "00000f0f").Err())
			},
		}
	}
}

func TestTwoOptionsPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("one of two Options is dropped")
		}
	}()
	redisbroker.New(nil, redisbroker.Options{}, redisbroker.Options{Prefix: "other:"})
}
