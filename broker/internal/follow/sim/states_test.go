package sim

import (
	"slices"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// This file is what the store knows of states, for the oracle.

// deletedFrom returns where a key was deleted first from an offset on; zero if nowhere. Called
// with s.mu held.
func (s *Store) deletedFrom(topic string, epoch broker.Epoch, key string, offset uint64) uint64 {
	for offset = max(offset, 1); ; offset++ {
		branches := s.branches[broker.Position{Epoch: epoch, Offset: offset}]
		for _, e := range branches {
			if e.Topic == topic && e.Key == key && e.Op == broker.OpDelete {
				return offset
			}
		}
		if len(branches) == 0 {
			return 0
		}
	}
}

// had reports whether a key had this value at the version of a change, and returns the change
// that is stored, if it was made in this epoch.
func (s *Store) had(topic string, epoch broker.Epoch, c *simChange, value string) (*entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := broker.Position{Epoch: epoch, Offset: c.Version}
	if before := s.begun[at]; before != nil && c.Version == 0 {
		return nil, string(before.Value(c.Key)) == value
	}
	for _, e := range s.branches[at] {
		if e.Topic == topic && e.Key == c.Key && e.Op != broker.OpDelete && string(e.value) == value {
			return e, true
		}
	}
	return nil, false
}

// upTo returns the last change of each key that leads from a position, or from the beginning
// of the epoch, to another. Called with s.mu held.
func (s *Store) upTo(from, to broker.Position) map[string]*entry {
	last := map[string]*entry{}
	for e := s.all[to]; e != nil && e.Position != from; e = s.all[e.before] {
		if last[e.Key] == nil {
			last[e.Key] = e
		}
	}
	return last
}

// before returns the keys that were there when the epoch of a position began. Called with
// s.mu held.
func (s *Store) before(at broker.Position) map[string]string {
	keys := s.begun[broker.Position{Epoch: at.Epoch}]
	if keys == nil {
		return nil
	}
	values := map[string]string{}
	for _, m := range keys.Messages("", 0, false, time.Time{}) {
		values[m.Key] = string(m.Data)
	}
	return values
}

// mapOf returns the keys that are stored, also those that are due. They aren't whole if some
// of it was evicted, which shows when the store next looks at the topic.
func (s *Store) mapOf(topic string) (values map[string]stateValue, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values = map[string]stateValue{}
	rec := s.topics[topic]
	if rec != nil && rec.keys != nil {
		for _, m := range rec.keys.Messages(topic, rec.head.Epoch, false, time.Time{}) {
			values[m.Key] = stateValue{string(m.Data), m.Offset}
		}
	}
	return values, rec == nil || !rec.head.IsZero() && rec.isWhole()
}

// wasHidden reports whether a read has left a key out in an epoch that was changed last at an
// offset or after: its time was over, and nobody had deleted it yet. Called with s.mu held.
func (s *Store) wasHidden(topic string, epoch broker.Epoch, key string, offset uint64) bool {
	return slices.ContainsFunc(s.hidden[topic+" "+key], func(v broker.Version) bool {
		return v.Epoch == epoch && v.Offset >= offset
	})
}

// beganAgain returns the epoch of a topic, and when it began if one was before it.
func (s *Store) beganAgain(topic string) (epoch broker.Epoch, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec := s.topics[topic]; rec != nil {
		return rec.head.Epoch, rec.begun
	}
	return 0, time.Time{}
}

// isDue reports whether a key is stored whose time is over: it isn't read any more. Called with
// s.mu held.
func (s *Store) isDue(topic, key string) bool {
	rec := s.topics[topic]
	return rec != nil && rec.keys != nil && rec.keys.IsDue(key, now())
}

// changeBefore returns the last change of a key up to a position; or else whether the epoch
// began with the key. Called with s.mu held.
func (s *Store) changeBefore(at broker.Position, key string) (last *entry, kept bool) {
	for e := s.all[at]; e != nil; e = s.all[at] {
		if e.Key == key {
			return e, false
		}
		at = e.before
	}
	_, kept = s.before(at)[key]
	return nil, kept
}
