package faults_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
)

func wantUnavailable(t *testing.T, b push.Publisher, topic string) {
	t.Helper()
	_, err := b.Publish(t.Context(), push.Message{Topic: topic, Data: []byte("perhaps")})
	if !errors.Is(err, push.CodeUnavailable) && !errors.Is(err, push.CodeTimeout) {
		t.Errorf("Publish: %v; want unavailable, or a timeout", err)
	}
}

// F56: whatever way Redis stops to answer, a publish returns at its deadline, and afterwards all is whole.
func TestFrozenRedisHeals(t *testing.T) {
	t.Parallel()
	const frozen = 2 * time.Second
	tests := []struct {
		name   string
		freeze func(t *testing.T, s *redistest.Server) (thaw func())
	}{
		{"Stopped", func(t *testing.T, s *redistest.Server) func() {
			check(t, s.Freeze())
			return func() { check(t, s.Thaw()) }
		}},
		{"Asleep", func(t *testing.T, s *redistest.Server) func() {
			client := connect(t, s)
			done := make(chan error, 1)
			go func() { done <- client.Do(context.Background(), "DEBUG", "SLEEP", frozen.Seconds()).Err() }()
			return func() { check(t, <-done) }
		}},
		{"Paused", func(t *testing.T, s *redistest.Server) func() {
			client := connect(t, s)
			check(t, client.Do(t.Context(), "CLIENT", "PAUSE", frozen.Milliseconds(), "WRITE").Err())
			return func() { check(t, client.Do(t.Context(), "CLIENT", "UNPAUSE").Err()) }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			b := newBroker(t, connect(t, server), redisbroker.Options{})
			f := follow(t, b, "a")
			publish(t, b, "a", "before")
			f.await("before")
			begin := time.Now()
			thaw := test.freeze(t, server)
			// Until the freeze is felt, messages may go through.
			const deadline = 300 * time.Millisecond
			for n := 0; time.Since(begin) < frozen/2; n++ { //clock:real as long as Redis is frozen
				call := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				_, err := b.Publish(ctx, push.Message{Topic: "a", Data: []byte(fmt.Sprint("perhaps ", n))})
				cancel()
				if err != nil && !errors.Is(err, push.CodeTimeout) {
					t.Errorf("Publish: %v; want a timeout", err)
				}
				within(t, "a publish", deadline+time.Second, call)
			}
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			if b.Health(ctx) == nil {
				t.Error("healthy while frozen")
			}
			thaw()
			thawed := time.Now()
			awaitPublish(t, b, push.Message{Topic: "a", ID: "after", Data: []byte("after")})
			f.await("after")
			within(t, "healing", 2*time.Second, thawed)
			f.wantNoGap()
			// What was under way may be stored late; it is delivered all the same.
			await(t, "all that is stored", func() bool {
				page, err := b.Recent(t.Context(), "a", broker.Limit{})
				return err == nil && page.Head.Offset == uint64(len(f.got()))
			})
		})
	}
}

// F56: what waits for a frozen Redis is bounded, and leaves with its callers.
func TestFrozenRedisHoldsUpABoundedNumberOfCalls(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	b := newBroker(t, connect(t, server), redisbroker.Options{})
	publish(t, b, "a", "before")
	check(t, server.Freeze())
	const publishers = 3000
	var work sync.WaitGroup
	begin := time.Now()
	for range publishers {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 500*time.Millisecond)
			defer cancel()
			if _, err := b.Publish(ctx, push.Message{Topic: "a", Data: []byte("perhaps")}); !errors.Is(err, push.CodeTimeout) {
				t.Errorf("Publish: %v; want a timeout", err)
			}
		})
	}
	work.Wait()
	within(t, "giving up", 5*time.Second, begin)
	check(t, server.Thaw())
	awaitPublish(t, b, push.Message{Topic: "a", ID: "after", Data: []byte("after")})
	page, err := b.Recent(t.Context(), "a", broker.Limit{})
	check(t, err)
	// What was under way may be stored; what waited for its turn may not: its caller has long gone.
	if most := uint64(2 + 2*128); page.Head.Offset > most {
		t.Errorf("%d messages are stored; at most %d were under way", page.Head.Offset, most)
	}
}

// F55: the time of a round trip isn't paid by each message.
func TestLatencyIsSharedByMessages(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	l := startLink(t, server)
	b := newBroker(t, connectAt(t, l.Addr()), redisbroker.Options{})
	f := follow(t, b, "a")
	publish(t, b, "a", "before")
	check(t, l.Latency(200*time.Millisecond, 50*time.Millisecond))
	const publishers, each = 50, 4
	begin := time.Now()
	var work sync.WaitGroup
	for p := range publishers {
		work.Go(func() {
			for n := range each {
				if _, err := b.Publish(context.WithoutCancel(t.Context()), push.Message{Topic: "a", Data: fmt.Appendf(nil, "%d %d", p, n)}); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	work.Wait()
	// One after the other it would be 200 round trips, 40 s.
	within(t, "200 messages", 10*time.Second, begin)
	check(t, l.Heal())
	publish(t, b, "a", "after")
	f.await("after")
	f.wantNoGap()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	check(t, l.Latency(time.Second, 0))
	begin = time.Now()
	if _, err := b.Publish(ctx, push.Message{Topic: "a", Data: []byte("late")}); !errors.Is(err, push.CodeTimeout) {
		t.Errorf("Publish: %v; want a timeout", err)
	}
	within(t, "a publish with a deadline of 50 ms", time.Second, begin)
}
