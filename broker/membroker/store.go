package membroker

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

var _ push.Store = (*Broker)(nil)

// store is the broker's [push.Store].
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
	expires time.Time
}

// pruneInterval is how often a set that is put to is looked through for what has
// expired.
const pruneInterval = time.Second

// Put stores a value; see [push.Store].
func (b *Broker) Put(_ context.Context, name, key string, value []byte, ttl time.Duration) error {
	if ttl < time.Millisecond {
		return push.Errorf(push.CodeBadRequest, "a time to live is at least a millisecond", nil)
	}
	st := &b.store
	st.mu.Lock()
	defer st.mu.Unlock()
	s, err := st.find(name)
	if err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(s.pruned) >= pruneInterval {
		s.prune(now)
	}
	if _, there := s.values[key]; !there && len(s.values) >= push.MaxStored {
		return push.Errorf(push.CodeLimitReached, "too much is stored", nil)
	}
	s.values[key] = stored{bytes.Clone(value), now.Add(ttl)}
	if st.sets == nil {
		st.sets = map[string]*set{}
	}
	st.sets[name] = s
	return nil
}

// Take gives a value and forgets it; see [push.Store].
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

// All gives all values of a set; see [push.Store].
func (b *Broker) All(_ context.Context, name string) (map[string][]byte, error) {
	st := &b.store
	st.mu.Lock()
	defer st.mu.Unlock()
	s, err := st.find(name)
	if err != nil {
		return nil, err
	}
	s.prune(time.Now())
	all := make(map[string][]byte, len(s.values))
	for key, v := range s.values {
		all[key] = bytes.Clone(v.value)
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
