package proxies

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push/testaid"
)

var (
	clients  = flag.Int("clients", 30, "how many clients there are, a third on each transport")
	interval = flag.Duration("interval", 100*time.Millisecond, "how often a message is published to each topic")
	quiet    = flag.Bool("quiet", false, "the machine does nothing else: times are promised")
)

const topics = 4

// What is promised on a quiet machine; see docs/proxies.md.
const (
	longestAway = 2 * time.Second
	evenRate    = 500 // clients that an instance disconnects in a second
)

func TestMain(m *testing.M) { testaid.Main(m) }

// TestRollingRestart restarts three instances, one after the other, while messages are published and followed through
// a proxy: none is lost, and none comes twice.
func TestRollingRestart(t *testing.T) {
	binary, certificate := build(t), newCertificate(t)
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			if !*quiet {
				t.Parallel()
			}
			redis, err := redistest.Start(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := redis.Close(); err != nil {
					t.Error(err)
				}
			})
			instances := make([]*instance, 3)
			for i := range instances {
				instances[i] = &instance{binary: binary, address: freeAddress(t), redis: "redis://" + redis.Options().Addr}
				instances[i].start(t)
			}
			base := "https://" + p.start(t, instances, certificate) + "/push"

			ctx, cancel := context.WithCancel(t.Context())
			readers := newReaders(*clients, topics, base, certificate)
			t.Cleanup(func() { cancel(); readers.wait.Wait() })
			readers.start(ctx, t)
			readers.attempts.reset()
			publisher := startPublisher(t, base, certificate)
			for _, i := range instances {
				publisher.some(t)
				i.stop(t)
				publisher.some(t)
				i.start(t)
			}
			publisher.some(t)
			report(t, readers, publisher.stop())
		})
	}
}

// report waits until all readers have the newest message, and holds them to what is promised.
func report(t *testing.T, readers *readers, newest int64) {
	t.Helper()
	testaid.Eventually(t, "all readers have all", func() bool {
		for _, r := range readers.all {
			if r.newest.Load() < newest && !r.isEnded() {
				return false
			}
		}
		return true
	})
	away := map[string][]time.Duration{}
	for _, r := range readers.all {
		if r.isEnded() {
			t.Errorf("%s: %v", r.transport, r.err)
		}
		away[r.transport] = append(away[r.transport], time.Duration(r.longest.Load())-*interval)
	}
	t.Logf("%d clients, %d messages a topic, %d attempts to connect in the fullest second", len(readers.all), newest, readers.attempts.most())
	for transport, times := range away {
		slices.Sort(times)
		n := len(times)
		t.Logf("%s: away for %v (median), %v (99 %%), %v (longest)", transport, times[n/2], times[n*99/100], times[n-1])
	}
	if !*quiet {
		return
	}
	for transport, times := range away {
		if longest := times[len(times)-1]; longest > longestAway {
			t.Errorf("%s: a client was away for %v", transport, longest)
		}
	}
	if most := readers.attempts.most(); most > evenRate*3/2 {
		t.Errorf("%d attempts to connect in one second", most)
	}
}
