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
	value   []byte
	version uint64
	until   time.Time
}

func (v storedValue) holds() bool { return time.Now().Before(v.until) }

func (v storedValue) stored() push.Stored {
	return push.Stored{Value: v.value, Version: v.version, TTL: time.Until(v.until)} //clock:virtual
}

// put is put.lua. Called with r.mu held, as are the others.
func (r *fakeRedis) put(set, key string, v push.Stored) (*push.Stored, error) {
	if r.sets[set] == nil {
		r.sets[set] = map[string]storedValue{}
	}
	old, there := r.sets[set][key]
	if there && old.holds() && old.version >= v.Version {
		newer := old.stored()
		return &newer, nil
	}
	if !there && len(r.sets[set]) >= push.MaxStored {
		maps.DeleteFunc(r.sets[set], func(_ string, v storedValue) bool { return !v.holds() })
		if len(r.sets[set]) >= push.MaxStored {
			return nil, push.ErrLimitReached
		}
	}
	r.remember()
	r.sets[set][key] = storedValue{bytes.Clone(v.Value), v.Version, time.Now().Add(v.TTL)}
	return nil, nil
}

// take is take.lua.
func (r *fakeRedis) take(set, key string) []byte {
	v := r.sets[set][key]
	r.remember()
	delete(r.sets[set], key)
	if !v.holds() {
		return nil
	}
	return v.value
}

// stored is all.lua.
func (r *fakeRedis) stored(set string) map[string]push.Stored {
	all := map[string]push.Stored{}
	for key, v := range r.sets[set] {
		if v.holds() {
			all[key] = v.stored()
		}
	}
	return all
}

func (p *fakePort) Put(ctx context.Context, set, key string, v push.Stored) (*push.Stored, error) {
	return carry(ctx, p, "put "+set, func() (*push.Stored, error) { return p.redis.put(set, key, v) })
}

func (p *fakePort) Take(ctx context.Context, set, key string) ([]byte, error) {
	return carry(ctx, p, "take "+set, func() ([]byte, error) { return p.redis.take(set, key), nil })
}

func (p *fakePort) All(ctx context.Context, set string) (map[string]push.Stored, error) {
	return carry(ctx, p, "all "+set, func() (map[string]push.Stored, error) { return p.redis.stored(set), nil })
}

// The steps of TestFakeIsLikeRedis. Expiry is left to the suite of stores, which both
// pass: here it would depend on the machine.

func (m *model) storeKey(rt *rapid.T) string {
	return fmt.Sprint("key", rapid.IntRange(0, 3).Draw(rt, "key"))
}

func (m *model) put(rt *rapid.T) {
	set, key := rapid.SampledFrom(modelTopics).Draw(rt, "set"), m.storeKey(rt)
	value := rapid.SliceOf(rapid.Byte()).Draw(rt, "value")
	v := push.Stored{Value: value, Version: rapid.Uint64Range(0, 3).Draw(rt, "version"), TTL: time.Hour}
	if rapid.Bool().Draw(rt, "large") {
		v.Version += push.MaxOffset - 3 // which Lua has to tell apart
	}
	fake, fakeErr := m.fakePort.Put(rt.Context(), set, key, v)
	actual, realErr := m.realPort.Put(rt.Context(), set, key, v)
	if fakeErr != nil || realErr != nil || (fake == nil) != (actual == nil) || fake != nil && !likeStored(*fake, *actual) {
		rt.Fatalf("the fake gives %v, %v, Redis %v, %v", fake, fakeErr, actual, realErr)
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
		rt.Fatalf("the fake gives %v, %v, Redis %v, %v", fake, fakeErr, actual, realErr)
	}
	for key, value := range fake {
		if !likeStored(value, actual[key]) {
			rt.Fatalf("the fake has %v at %s, Redis %v", value, key, actual[key])
		}
	}
}

// likeStored leaves out how long values are there.
func likeStored(a, b push.Stored) bool {
	return bytes.Equal(a.Value, b.Value) && a.Version == b.Version
}
