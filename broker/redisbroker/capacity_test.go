package redisbroker_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// The benchmarks of this file measure Redis, by its own account: they hold on a
// machine that is busy with other things. docs/scaling.md has their figures.

// info reads a figure that Redis keeps of itself.
func (s *server) info(section, name string) float64 {
	s.t.Helper()
	text, err := s.client().Info(context.Background(), section).Result()
	s.must(err)
	_, rest, _ := strings.Cut(text, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.ParseFloat(value, 64)
	s.must(err)
	return n
}

func (s *server) cpu() time.Duration {
	return time.Duration((s.info("cpu", "used_cpu_user") + s.info("cpu", "used_cpu_sys")) * float64(time.Second))
}

func (s *server) memory() float64 { return s.info("memory", "used_memory") }

// reportCPU reports what Redis has spent on each of b.N since begin.
func (s *server) reportCPU(b *testing.B, begin time.Duration) {
	b.ReportMetric(float64((s.cpu()-begin).Nanoseconds())/float64(b.N)/1000, "redis-µs/op")
}

// BenchmarkPublishCPU publishes to full histories that other instances follow.
func BenchmarkPublishCPU(b *testing.B) {
	for _, instances := range []int{0, 1, 10, 50} {
		b.Run(fmt.Sprintf("instances=%d", instances), func(b *testing.B) {
			server := startRedis(b, "--client-output-buffer-limit", "pubsub 0 0 0")
			broker := redisbroker.New(server.client())
			defer broker.Close(context.Background())
			publish := func(ctx context.Context, n int64) error {
				_, err := broker.Publish(ctx, push.Message{Topic: topicName(n), Data: payload})
				return err
			}
			fill(b, publish)
			var channels []string
			for n := range int64(topics) {
				channel, _ := redisbroker.Published(&push.Message{Topic: topicName(n)})
				channels = append(channels, channel)
			}
			for range instances {
				// As an instance would, but with next to no work of its own.
				listener := server.client().SSubscribe(b.Context(), channels...)
				defer listener.Close()
				if _, err := listener.Receive(b.Context()); err != nil {
					b.Fatal(err)
				}
				go func() {
					for {
						if _, err := listener.ReceiveTimeout(context.Background(), 0); err != nil {
							return
						}
					}
				}()
			}
			begin := server.cpu()
			each(b, publish)
			server.reportCPU(b, begin)
		})
	}
}

// BenchmarkReadCPU reads the twenty messages that a client has missed.
func BenchmarkReadCPU(b *testing.B) {
	server := startRedis(b)
	backend := redisbroker.New(server.client())
	defer backend.Close(context.Background())
	var at broker.Position
	for n := range 100 {
		receipt, err := backend.Publish(b.Context(), push.Message{Topic: "a", Data: payload})
		if err != nil {
			b.Fatal(err)
		}
		if n == 79 {
			at = receipt.Position
		}
	}
	begin := server.cpu()
	each(b, func(ctx context.Context, _ int64) error {
		page, err := backend.Since(ctx, "a", at, broker.Limit{})
		if err == nil && len(page.Messages) != 20 {
			err = fmt.Errorf("%d messages", len(page.Messages))
		}
		return err
	})
	server.reportCPU(b, begin)
}

// BenchmarkCheckCPU compares quiet topics with Redis; an op is one topic.
func BenchmarkCheckCPU(b *testing.B) {
	server := startRedis(b)
	broker := redisbroker.New(server.client())
	defer broker.Close(context.Background())
	const topics = 512
	names := make([]string, topics)
	for i := range names {
		names[i] = topicName(int64(i))
		if _, err := broker.Publish(b.Context(), push.Message{Topic: names[i], Data: payload}); err != nil {
			b.Fatal(err)
		}
	}
	checker := redisbroker.NewChecker(server.client())
	defer checker.Close(context.Background())
	begin := server.cpu()
	b.ResetTimer()
	for n := 0; n < b.N; n += topics {
		if _, err := checker.Heads(b.Context(), names[:min(topics, b.N-n)]); err != nil {
			b.Fatal(err)
		}
	}
	server.reportCPU(b, begin)
}

// BenchmarkMemory stores messages of 128 bytes, first one in each topic, then more
// in one topic.
func BenchmarkMemory(b *testing.B) {
	server := startRedis(b)
	broker := redisbroker.New(server.client(), redisbroker.Options{History: broker.History{Messages: -1, Bytes: -1}})
	defer broker.Close(context.Background())
	store := func(topic func(int64) string) float64 {
		before := server.memory()
		each(b, func(ctx context.Context, n int64) error {
			_, err := broker.Publish(ctx, push.Message{Topic: topic(n), Data: payload})
			return err
		})
		return (server.memory() - before) / float64(b.N)
	}
	perTopic := store(func(n int64) string { return fmt.Sprint("topic/", n) })
	perMessage := store(func(int64) string { return "one" })
	b.ReportMetric(perTopic, "redis-B/topic")
	b.ReportMetric(perMessage, "redis-B/message")
}
