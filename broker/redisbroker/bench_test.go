package redisbroker_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
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

// BenchmarkReceive has one follower of one topic, whose messages come as fast as
// Redis can send them. It reports the CPU time of receiving alone: the messages are
// made before, and sent by one write.
func BenchmarkReceive(b *testing.B) {
	server := startRedis(b, "--client-output-buffer-limit", "pubsub 0 0 0")
	broker := redisbroker.New(server.client(), redisbroker.Options{Check: time.Hour}) // nothing is stored
	defer broker.Close(context.Background())
	f := &counter{want: b.N, done: make(chan struct{})}
	at, err := broker.Subscribe(b.Context(), "a", f)
	if err != nil {
		b.Fatal(err)
	}
	var commands bytes.Buffer
	for range b.N {
		m := push.Message{Topic: "a", ID: "id", Data: payload, PreviousTag: at.Tag}
		at.Offset, at.Tag = at.Offset+1, at.Tag+1
		m.Position = at
		channel, text := redisbroker.Published(&m)
		fmt.Fprintf(&commands, "*3\r\n$8\r\nSPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(channel), channel, len(text), text)
	}
	connection, err := net.Dial("tcp", server.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer connection.Close()
	go io.Copy(io.Discard, connection)
	before := cpuTime(b)
	b.ResetTimer()
	if _, err := commands.WriteTo(connection); err != nil {
		b.Fatal(err)
	}
	<-f.done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(b.N)/(cpuTime(b)-before).Seconds(), "msg/CPU-s")
}

// counter closes done at the last message. A break comes where Redis has cut a
// follower that was too slow; what it missed isn't stored.
type counter struct {
	want, got int
	done      chan struct{}
}

func (c *counter) Receive(*push.Message) {
	if c.got++; c.got == c.want {
		close(c.done)
	}
}

func (c *counter) Break(broker.Gap) { panic("messages were lost") }

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
