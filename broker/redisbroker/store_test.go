package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestStoreIsBounded has a set that is full, first of values that stay and then of
// values that have expired, of which each Put forgets some.
func TestStoreIsBounded(t *testing.T) {
	b, client := scripted(t, Options{})
	keys := b.options.setKeys("s")
	fill := func(expires int64) {
		t.Helper()
		must(t, client.Del(t.Context(), keys...).Err())
		const step = 1000 // on a busy machine Redis is busy with many for longer than it likes
		for i := 0; i < broker.MaxStored; i += step {
			must(t, client.Eval(t.Context(), `for i = ARGV[1] + 1, ARGV[1] + ARGV[2] do
				redis.call('HSET', KEYS[1], i, ARGV[3] .. ' 0 x')
				redis.call('ZADD', KEYS[2], ARGV[3], i)
			end
			return 1`, keys, i, step, expires).Err())
		}
	}
	put := func(key string) error {
		_, err := b.Put(t.Context(), "s", key, broker.Stored{Value: []byte("y"), Version: 1, TTL: time.Hour})
		return err
	}
	fill(time.Now().Add(time.Hour).UnixMilli())
	if err := put("more"); !errors.Is(err, push.CodeLimitReached) {
		t.Errorf("one more: %v", err)
	}
	must(t, put("7"))
	_, err := b.Take(t.Context(), "s", "8")
	must(t, err)
	must(t, put("more"))

	fill(time.Now().Add(-time.Second).UnixMilli())
	for i := range 10 {
		must(t, put(fmt.Sprint("more", i)))
	}
	values, expiries := client.HLen(t.Context(), keys[0]).Val(), client.ZCard(t.Context(), keys[1]).Val()
	if want := int64(broker.MaxStored - 10*100 + 10); values != want || expiries != want {
		t.Errorf("%d values and %d expiries are left, want %d", values, expiries, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience) // a busy machine takes long for so many
	defer cancel()
	all, err := b.All(ctx, "s")
	if err != nil || len(all) != 10 {
		t.Errorf("All gives %d values, %v", len(all), err)
	}
}

// TestStoreLastsAsLongAsItsValues looks at the expiry of the keys themselves.
func TestStoreLastsAsLongAsItsValues(t *testing.T) {
	b, client := scripted(t, Options{})
	for _, ttl := range []time.Duration{time.Minute, time.Hour, time.Second} {
		_, err := b.Put(t.Context(), "s", ttl.String(), broker.Stored{Value: []byte("x"), TTL: ttl})
		must(t, err)
	}
	for _, key := range b.options.setKeys("s") {
		if left := client.PTTL(t.Context(), key).Val(); left <= 59*time.Minute || left > time.Hour {
			t.Errorf("%s lasts %v", key, left)
		}
	}
}

// TestFullRedisKeepsTheStore has values that can't be stored, and are not lost either.
func TestFullRedisKeepsTheStore(t *testing.T) {
	b, client := scripted(t, Options{})
	put := func(key, value string) error {
		_, err := b.Put(t.Context(), "s", key, broker.Stored{Value: []byte(value), TTL: time.Hour})
		return err
	}
	must(t, put("a", "1"))
	must(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	if err := put("b", "2"); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Put: %v", err)
	}
	if value, err := b.Take(t.Context(), "s", "a"); err != nil || string(value) != "1" {
		t.Errorf("Take: %q, %v", value, err)
	}
}
