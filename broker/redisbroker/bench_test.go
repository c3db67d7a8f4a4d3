package redisbroker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

const (
	publishers = 64
	topics     = 64
)

var payload = []byte(strings.Repeat("x", 128))

// BenchmarkPublish has 64 publishers at the same time, 128 bytes in each message,
// and histories of 1,000 messages that are full. BenchmarkScript is its yardstick.
func BenchmarkPublish(b *testing.B) {
	server := startRedis(b)
	broker := redisbroker.New(server.client())
	defer broker.Close(context.Background())
	publish := func(ctx context.Context, n int64) error {
		_, err := broker.Publish(ctx, push.Message{Topic: topicName(n), Data: payload})
		return err
	}
	fill(b, publish)
	each(b, publish)
}

// BenchmarkScript calls the same script through bare pipelines of go-redis, each
// with as many calls as there are publishers.
func BenchmarkScript(b *testing.B) {
	server := startRedis(b)
	broker := redisbroker.New(server.client())
	defer broker.Close(context.Background())
	fill(b, func(ctx context.Context, n int64) error {
		_, err := broker.Publish(ctx, push.Message{Topic: topicName(n), Data: payload})
		return err
	})
	client := server.client()
	b.ResetTimer()
	for n := 0; n < b.N; {
		pipeline := client.Pipeline()
		for range min(publishers, b.N-n) {
			pipeline.Process(b.Context(), redis.NewCmd(b.Context(), redisbroker.PublishArgs(topicName(int64(n)), payload)...))
			n++
		}
		if _, err := pipeline.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func topicName(n int64) string { return fmt.Sprint("topic/", n%topics) }

// fill publishes until all histories are full.
func fill(b *testing.B, publish func(context.Context, int64) error) {
	var wait sync.WaitGroup
	for p := range int64(publishers) {
		wait.Go(func() {
			for range 1000 {
				if err := publish(b.Context(), p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// each calls publish b.N times from all publishers.
func each(b *testing.B, publish func(context.Context, int64) error) {
	var next atomic.Int64
	var wait sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range publishers {
		wait.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := publish(b.Context(), n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
