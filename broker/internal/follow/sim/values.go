package sim

import (
	"bytes"
	"context"
	"maps"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// storedValue is one value of a set.
type storedValue struct {
	value   []byte
	version uint64
	until   time.Time
}

func (v storedValue) holds() bool { return time.Now().Before(v.until) }

func (v storedValue) stored() broker.Stored {
	return broker.Stored{Value: v.value, Version: v.version, TTL: time.Until(v.until)}
}

// put is what put.lua does. Called with s.mu held, as are the others.
func (s *Store) put(set, key string, v broker.Stored) (*broker.Stored, error) {
	if s.sets[set] == nil {
		s.sets[set] = map[string]storedValue{}
	}
	old, there := s.sets[set][key]
	if there && old.holds() && old.version >= v.Version {
		newer := old.stored()
		return &newer, nil
	}
	if !there && len(s.sets[set]) >= broker.MaxStored {
		maps.DeleteFunc(s.sets[set], func(_ string, v storedValue) bool { return !v.holds() })
		if len(s.sets[set]) >= broker.MaxStored {
			return nil, push.CodeLimitReached
		}
	}
	s.remember()
	s.sets[set][key] = storedValue{bytes.Clone(v.Value), v.Version, time.Now().Add(v.TTL)}
	return nil, nil
}

// take is what take.lua does.
func (s *Store) take(set, key string) []byte {
	v := s.sets[set][key]
	s.remember()
	delete(s.sets[set], key)
	if !v.holds() {
		return nil
	}
	return v.value
}

// stored is what all.lua does.
func (s *Store) stored(set string) map[string]broker.Stored {
	all := map[string]broker.Stored{}
	for key, v := range s.sets[set] {
		if v.holds() {
			all[key] = v.stored()
		}
	}
	return all
}

// Put is part of [broker.Store], as are the others.
func (p *Port) Put(ctx context.Context, set, key string, v broker.Stored) (*broker.Stored, error) {
	return carry(ctx, p, "put "+set, func() (*broker.Stored, error) { return p.store.put(set, key, v) })
}

// Take asks for a value, and takes it away.
func (p *Port) Take(ctx context.Context, set, key string) ([]byte, error) {
	return carry(ctx, p, "take "+set, func() ([]byte, error) { return p.store.take(set, key), nil })
}

// All asks for a set.
func (p *Port) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	return carry(ctx, p, "all "+set, func() (map[string]broker.Stored, error) { return p.store.stored(set), nil })
}
