package membroker

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

var _ broker.Store = (*Broker)(nil)

// store is the broker's [broker.Store].
type store struct {
	mu     sync.Mutex // guards the rest
	sets   map[string]*set
	closed bool
}

type set struct {
	values map[string]stored
	pruned time.Time
}

type stored struct {
	value   []byte
	version uint64
	expires time.Time
}

// at gives a value as it is for who asks now.
func (v stored) at(now time.Time) broker.Stored {
	return broker.Stored{Value: bytes.Clone(v.value), Version: v.version, TTL: v.expires.Sub(now)}
}

// pruneInterval is how often a set that is put to is looked through for what has
// expired.
const pruneInterval = time.Second

// Put stores a value; see [broker.Store].
func (b *Broker) Put(_ context.Context, name, key string, v broker.Stored) (there *broker.Stored, err error) {
	if err := v.Check(); err != nil {
		return nil, push.AsError(err)
	}
	st := &b.store
	st.mu.Lock()
	defer st.mu.Unlock()
	s, err := st.find(name)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if now.Sub(s.pruned) >= pruneInterval {
		s.prune(now)
	}
	old, known := s.values[key]
	switch {
	case known && now.Before(old.expires) && old.version >= v.Version:
		newer := old.at(now)
		return &newer, nil
	case !known && len(s.values) >= broker.MaxStored:
		return nil, push.NewError(push.CodeLimitReached, "too much is stored", nil)
	}
	s.values[key] = stored{bytes.Clone(v.Value), v.Version, now.Add(v.TTL)}
	if st.sets == nil {
		st.sets = map[string]*set{}
	}
	st.sets[name] = s
	return nil, nil
}

// Take gives a value and forgets it; see [broker.Store].
func (b *Broker) Take(_ context.Context, name, key string) ([]byte, error) {
	st := &b.store
	st.mu.Lock()
	defer st.mu.Unlock()
	s, err := st.find(name)
	if err != nil {
		return nil, err
	}
	v := s.values[key]
	delete(s.values, key)
	if !time.Now().Before(v.expires) {
		return nil, nil
	}
	return v.value, nil
}

// All gives all values of a set; see [broker.Store].
func (b *Broker) All(_ context.Context, name string) (map[string]broker.Stored, error) {
	st := &b.store
	st.mu.Lock()
	defer st.mu.Unlock()
	s, err := st.find(name)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	s.prune(now)
	all := make(map[string]broker.Stored, len(s.values))
	for key, v := range s.values {
		all[key] = v.at(now)
	}
	return all, nil
}

// find gives a set, which is a new one if nothing was put there yet. Called with st.mu
// held.
func (st *store) find(name string) (*set, error) {
	if st.closed {
		return nil, errClosed
	}
	if s := st.sets[name]; s != nil {
		return s, nil
	}
	return &set{values: map[string]stored{}}, nil
}

// close forgets everything.
func (st *store) close() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.sets, st.closed = nil, true
}

// prune forgets what has expired. Called with store.mu held.
func (s *set) prune(now time.Time) {
	s.pruned = now
	maps.DeleteFunc(s.values, func(_ string, v stored) bool { return !now.Before(v.expires) })
}
