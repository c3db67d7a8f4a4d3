package redisbroker_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"

	"github.com/tidewire/tidewire/push"
)

// storedValue is one value of a set in the fake Redis.
type storedValue struct {
	value []byte
	until time.Time
}

// put is put.lua. Called with r.mu held, as are the others.
func (r *fakeRedis) put(set, key string, value []byte, ttl time.Duration) error {
	if r.sets[set] == nil {
		r.sets[set] = map[string]storedValue{}
	}
	if _, there := r.sets[set][key]; !there && len(r.sets[set]) >= push.MaxStored {
		maps.DeleteFunc(r.sets[set], func(_ string, v storedValue) bool { return !time.Now().Before(v.until) })
		if len(r.sets[set]) >= push.MaxStored {
			return push.ErrLimitReached
		}
	}
	r.sets[set][key] = storedValue{bytes.Clone(value), time.Now().Add(ttl)}
	return nil
}

// take is take.lua.
func (r *fakeRedis) take(set, key string) []byte {
	v := r.sets[set][key]
	delete(r.sets[set], key)
	if !time.Now().Before(v.until) {
		return nil
	}
	return v.value
}

// stored is all.lua.
func (r *fakeRedis) stored(set string) map[string][]byte {
	all := map[string][]byte{}
	for key, v := range r.sets[set] {
		if time.Now().Before(v.until) {
			all[key] = v.value
		}
	}
	return all
}

func (p *fakePort) Put(ctx context.Context, set, key string, value []byte, ttl time.Duration) error {
	_, err := carry(ctx, p, "put "+set, func() (struct{}, error) {
		return struct{}{}, p.redis.put(set, key, value, ttl)
	})
	return err
}

func (p *fakePort) Take(ctx context.Context, set, key string) ([]byte, error) {
	return carry(ctx, p, "take "+set, func() ([]byte, error) { return p.redis.take(set, key), nil })
}

func (p *fakePort) All(ctx context.Context, set string) (map[string][]byte, error) {
	return carry(ctx, p, "all "+set, func() (map[string][]byte, error) { return p.redis.stored(set), nil })
}

// The steps of TestFakeIsLikeRedis. Expiry is left to the suite of stores, which both
// pass: here it would depend on the machine.

func (m *model) storeKey(rt *rapid.T) string {
	return fmt.Sprint("key", rapid.IntRange(0, 3).Draw(rt, "key"))
}

func (m *model) put(rt *rapid.T) {
	set, key := rapid.SampledFrom(modelTopics).Draw(rt, "set"), m.storeKey(rt)
	value := rapid.SliceOf(rapid.Byte()).Draw(rt, "value")
	fakeErr := m.fakePort.Put(rt.Context(), set, key, value, time.Hour)
	realErr := m.realPort.Put(rt.Context(), set, key, value, time.Hour)
	if fakeErr != nil || realErr != nil {
		rt.Fatal(fakeErr, realErr)
	}
}

func (m *model) take(rt *rapid.T) {
	set, key := rapid.SampledFrom(modelTopics).Draw(rt, "set"), m.storeKey(rt)
	fake, fakeErr := m.fakePort.Take(rt.Context(), set, key)
	actual, realErr := m.realPort.Take(rt.Context(), set, key)
	if fakeErr != nil || realErr != nil || !bytes.Equal(fake, actual) || (fake == nil) != (actual == nil) {
		rt.Fatalf("the fake gives %q, %v, Redis %q, %v", fake, fakeErr, actual, realErr)
	}
}

func (m *model) all(rt *rapid.T) {
	set := rapid.SampledFrom(modelTopics).Draw(rt, "set")
	fake, fakeErr := m.fakePort.All(rt.Context(), set)
	actual, realErr := m.realPort.All(rt.Context(), set)
	if fakeErr != nil || realErr != nil || len(fake) != len(actual) {
		rt.Fatalf("the fake gives %q, %v, Redis %q, %v", fake, fakeErr, actual, realErr)
	}
	for key, value := range fake {
		if !bytes.Equal(value, actual[key]) {
			rt.Fatalf("the fake has %q at %s, Redis %q", value, key, actual[key])
		}
	}
}
