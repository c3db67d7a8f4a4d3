package faults_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// F48: a Redis that keeps all that it has acknowledged.
func TestRestartWithAllDataLosesNothing(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	b := newBroker(t, connect(t, server), redisbroker.Options{})
	f := follow(t, b, "a")
	p := publishing(t, b, "a", "message")
	for range 3 {
		p.awaitAcked(30)
		check(t, server.Stop(os.Kill))
		check(t, server.Restart())
	}
	begin := time.Now()
	p.awaitAcked(1)
	p.end(f)
	within(t, "being whole again", 2*time.Second, begin)
	p.wantAll(f)
	f.wantNoGap()
}

// F48: a Redis that comes back as it was five messages ago, and F49: one that comes back with nothing.
func TestRestartWithoutAllDataIsOneGap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		save bool
	}{{"Snapshot", true}, {"Nothing", false}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			admin := connect(t, server)
			b, instance := newBroker(t, connect(t, server), redisbroker.Options{}), newBroker(t, connect(t, server), redisbroker.Options{})
			followers := []*follower{follow(t, b, "a"), follow(t, instance, "a")}
			kept := follow(t, b, "b")
			publish(t, b, "b", "kept")
			positions := []broker.Position{{}}
			for i := range 100 {
				if i == 95 && test.save {
					check(t, admin.Save(t.Context()).Err())
				}
				positions = append(positions, publish(t, b, "a", fmt.Sprint(i+1)).Position)
			}
			kept.await("kept")
			for _, f := range followers {
				f.await("100")
			}
			check(t, server.Stop(os.Kill))
			check(t, server.Restart())
			begin := time.Now()
			for _, f := range followers {
				f.awaitGap()
			}
			within(t, "telling the gap", 2*time.Second+time.Second, begin) // the check may have to find it
			publish(t, b, "a", "after")
			publish(t, b, "b", "after")
			for _, f := range followers {
				f.await("after")
				f.wantOneGap()
			}
			kept.await("after")
			if test.save {
				kept.wantNoGap()
			} else {
				kept.wantOneGap()
			}
			wantGaps(t, b, positions)
		})
	}
}

// F57.
func TestRedisUnreachableAtStart(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	check(t, server.Stop(os.Kill))
	b := newBroker(t, connect(t, server), redisbroker.Options{})
	begin := time.Now()
	if err := b.Health(t.Context()); !errors.Is(err, push.CodeUnavailable) && !errors.Is(err, push.CodeTimeout) {
		t.Errorf("Health: %v", err)
	}
	within(t, "Health", 5*time.Second, begin)
	begin = time.Now()
	wantUnavailable(t, b, "a")
	if _, err := b.Subscribe(t.Context(), "a", &follower{}); err == nil {
		t.Error("subscribed to what isn't there")
	}
	within(t, "Publish and Subscribe", 10*time.Second, begin)
	check(t, server.Restart())
	begin = time.Now()
	awaitPublish(t, b, push.Message{Topic: "a", ID: "first", Data: []byte("first")})
	f := follow(t, b, "a")
	within(t, "starting", 2*time.Second, begin)
	publish(t, b, "a", "second")
	f.await("second")
	await(t, "health", func() bool { return b.Health(t.Context()) == nil })
}

// F58: while Redis is away publishing fails soon, and health says so.
func TestRedisIsAway(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--appendonly", "yes")
	b := newBroker(t, connect(t, server), redisbroker.Options{})
	f := follow(t, b, "a")
	publish(t, b, "a", "before")
	check(t, server.Stop(syscall.SIGTERM))
	const publishers = 100
	var failed atomic.Int64
	var work sync.WaitGroup
	away := time.Now()
	for range publishers {
		work.Go(func() {
			for time.Since(away) < 3*time.Second { //clock:real it is long enough for all that could go wrong
				begin := time.Now()
				if _, err := b.Publish(context.WithoutCancel(t.Context()), push.Message{Topic: "a", Data: []byte("lost")}); err == nil {
					t.Error("published to what isn't there")
				}
				within(t, "a publish", 4*time.Second, begin)
				failed.Add(1)
			}
		})
	}
	work.Wait()
	if failed.Load() < publishers {
		t.Errorf("only %d publishes came to an end", failed.Load())
	}
	if b.Health(t.Context()) == nil {
		t.Error("healthy without Redis")
	}
	check(t, server.Restart())
	begin := time.Now()
	awaitPublish(t, b, push.Message{Topic: "a", ID: "after", Data: []byte("after")})
	f.await("after")
	within(t, "healing", 2*time.Second, begin)
	f.wantNoGap()
	await(t, "health", func() bool { return b.Health(t.Context()) == nil })
}

// F63.
func TestScriptsAreLoadedAgainOnce(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	admin := connect(t, server)
	b := newBroker(t, connect(t, server), redisbroker.Options{})
	f := follow(t, b, "a")
	publish(t, b, "a", "0")
	loads := func() int {
		t.Helper()
		info, err := admin.Info(t.Context(), "commandstats").Result()
		check(t, err)
		_, after, _ := strings.Cut(info, "cmdstat_eval:calls=")
		calls, _, _ := strings.Cut(after, ",")
		n, _ := strconv.Atoi(calls)
		return n
	}
	for round := range 5 {
		check(t, admin.ScriptFlush(t.Context()).Err())
		before := loads()
		for i := range 10 {
			publish(t, b, "a", fmt.Sprint(round, i))
		}
		if n := loads() - before; n < 1 || n > 2 { // the script that reads may be needed too
			t.Errorf("after a flush the scripts were sent %d times", n)
		}
	}
	publish(t, b, "a", "after")
	f.await("after")
	f.wantNoGap()
	if n := len(f.got()); n != 52 {
		t.Errorf("got %d messages, want 52", n)
	}
}
