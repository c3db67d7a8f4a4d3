package faults_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// F50: each key may go alone. What is left is never taken for more than it is.
func TestKeysGoSingly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, key string
		gap       bool // those who are here have missed something
		resumed   broker.GapReason
	}{
		{"Head", "m:a", true, broker.GapEpoch},
		{"History", "s:a", false, broker.GapTrimmed},
		{"ID", "i:a\nonce", false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			admin := connect(t, server)
			b := newBroker(t, connect(t, server), redisbroker.Options{})
			f, bystander := follow(t, b, "a"), follow(t, b, "b")
			publish(t, b, "b", "kept")
			var positions []broker.Position
			for i := range 10 {
				positions = append(positions, publish(t, b, "a", fmt.Sprint(i)).Position)
			}
			_, err := b.Publish(t.Context(), push.Message{Topic: "a", ID: "once", Data: []byte("once")})
			check(t, err)
			f.await("once")
			keys, err := admin.Keys(t.Context(), "*}"+test.key).Result()
			check(t, err)
			if n, err := admin.Del(t.Context(), keys...).Result(); n != 1 || err != nil {
				t.Fatalf("deleted %d keys, %v", n, err)
			}
			if test.gap {
				begin := time.Now()
				f.awaitGap()
				within(t, "telling the gap", 5*time.Second, begin)
			}
			for i, position := range positions[:9] {
				page, err := b.Since(t.Context(), "a", position, broker.Limit{})
				check(t, err)
				if page.Gap != test.resumed || test.resumed == "" && len(page.Messages) != 10-i {
					t.Errorf("resuming after %d: gap %q, %d messages", i, page.Gap, len(page.Messages))
				}
			}
			publish(t, b, "a", "after")
			publish(t, b, "b", "after")
			f.await("after")
			bystander.await("after")
			bystander.wantNoGap()
			if test.gap {
				f.wantOneGap()
			} else {
				f.wantNoGap()
			}
		})
	}
}

// pubsubIDs are Redis' connections for pub/sub.
func pubsubIDs(t *testing.T, admin *redis.Client) []string {
	t.Helper()
	list, err := admin.Do(t.Context(), "CLIENT", "LIST", "TYPE", "pubsub").Text()
	check(t, err)
	var ids []string
	for line := range strings.Lines(list) {
		id, _, _ := strings.Cut(line, " ")
		ids = append(ids, id)
	}
	return ids
}

// F53: Redis cuts a subscriber that reads too slowly.
func TestSubscriberThatIsCutForItsOutputBufferCatchesUp(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--client-output-buffer-limit", "pubsub 64kb 0 0")
	admin := connect(t, server)
	l := startLink(t, server)
	history := broker.History{Messages: 1_000_000, Bytes: 1 << 30}
	b := newBroker(t, connectAt(t, l.Addr()), redisbroker.Options{History: history, Check: time.Hour})
	publisher := newBroker(t, connect(t, server), redisbroker.Options{History: history})
	f := follow(t, b, "a")
	publish(t, publisher, "a", "before")
	f.await("before")
	old := pubsubIDs(t, admin)
	if len(old) != 1 {
		t.Fatalf("connections for pub/sub: %v", old)
	}
	check(t, l.Slow(1))
	padding := strings.Repeat("x", 60_000)
	cut := func() bool {
		ids := pubsubIDs(t, admin)
		return len(ids) != 1 || ids[0] != old[0]
	}
	n := 0
	for ; !cut() && n < 1000; n++ {
		publish(t, publisher, "a", fmt.Sprint(n, " ", padding))
	}
	if n == 1000 {
		t.Fatal("Redis didn't cut the subscriber")
	}
	check(t, l.Heal())
	begin := time.Now()
	publish(t, publisher, "a", "after")
	f.await("after")
	within(t, "being whole again", 5*time.Second, begin)
	f.wantNoGap()
	if got := len(f.got()); got != n+2 {
		t.Errorf("got %d messages, want %d", got, n+2)
	}
}

// F54: messages that come while a subscription is being made, over a path that makes this take long.
func TestSubscribingOverASlowPathHasNoSeam(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	l := startLink(t, server)
	b := newBroker(t, connectAt(t, l.Addr()), redisbroker.Options{})
	check(t, b.Health(t.Context()))
	check(t, l.Latency(50*time.Millisecond, 50*time.Millisecond))
	p := publishing(t, newBroker(t, connect(t, server), redisbroker.Options{}), "a", "message")
	p.awaitAcked(1)
	var followers []*follower
	for range 10 {
		f := follow(t, b, "a")
		followers = append(followers, f)
		if len(followers)%2 == 0 { // so that the topic is left and followed anew
			b.Unsubscribe("a", f)
			b.Unsubscribe("a", followers[len(followers)-2])
		}
	}
	last := []*follower{follow(t, b, "a"), follow(t, b, "a")}
	check(t, l.Heal())
	p.end(last...)
	page, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 1000})
	check(t, err)
	for _, f := range append(followers, last...) {
		f.wantNoGap()
		// What it has is what the history has after its start.
		for i, data := range f.got() {
			offset := f.start.Offset + uint64(i) + 1
			if stored := page.Messages[offset-1]; stored.Offset != offset || string(stored.Data) != data {
				t.Errorf("number %d after %d is %q, and %q in the history", i, f.start.Offset, data, stored.Data)
			}
		}
	}
	for _, f := range last {
		if want := page.Head.Offset - f.start.Offset; uint64(len(f.got())) != want {
			t.Errorf("got %d messages after %d, want %d", len(f.got()), f.start.Offset, want)
		}
	}
}

// F59: what a full Redis refuses is delivered to nobody, and what it takes to everybody.
func TestFullRedisDeliversWhatItStores(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	admin := connect(t, server)
	history := broker.History{Messages: 1_000_000, Bytes: 1 << 30}
	b := newBroker(t, connect(t, server), redisbroker.Options{History: history})
	f := follow(t, b, "a")
	publish(t, b, "a", "before")
	check(t, b.Health(t.Context()))
	info, err := admin.InfoMap(t.Context(), "memory").Result()
	check(t, err)
	var used int
	_, err = fmt.Sscan(info["Memory"]["used_memory"], &used)
	check(t, err)
	check(t, admin.ConfigSet(t.Context(), "maxmemory", fmt.Sprint(used+2<<20)).Err())
	padding := strings.Repeat("x", 50_000)
	var stored, refused int
	for refused < 20 && stored < 1000 {
		_, err := b.Publish(t.Context(), push.Message{Topic: "a", Data: fmt.Append(nil, stored, " ", refused, padding)})
		switch {
		case err == nil:
			stored++
		case errors.Is(err, push.CodeUnavailable) && strings.Contains(err.Error(), "full"):
			refused++
		default:
			t.Fatalf("Publish: %v; want that it is full", err)
		}
	}
	check(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err()) // for what is small, too
	if err := b.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("Health: %v; want that it is full", err)
	}
	check(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
	publish(t, b, "a", "after")
	f.await("after")
	f.wantNoGap()
	if got := len(f.got()); got != stored+2 || stored == 0 || refused == 0 {
		t.Errorf("got %d messages; %d were stored and %d refused", got, stored+2, refused)
	}
	await(t, "good health", func() bool { return b.Health(t.Context()) == nil })
}

// A connection that is made while nothing is followed stays within what the broker's user may.
func TestNothingIsAskedOutsideThePrefix(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	allow(t, server)
	admin := connect(t, server)
	o := server.Options()
	o.Username, o.Password = "tidewire", password
	var log journal
	b := newBroker(t, closing[*redis.Client](t)(redis.NewClient(o), nil), redisbroker.Options{Logger: log.logger()})
	f := follow(t, b, "a")
	await(t, "a connection for pub/sub", func() bool { return len(pubsubIDs(t, admin)) == 1 })
	b.Unsubscribe("a", f)
	check(t, admin.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	await(t, "another connection", func() bool { return log.has("is back") })
	wantNothingRefused(t, server)
	check(t, b.Health(t.Context()))
}
