package sim

import (
	"github.com/tidewire/tidewire/broker"
)

// The methods below are what can befall the store; they lock s.mu themselves.

// promote makes a replica the primary that lacks the last changes, if it lacks any. Calls
// under way fail. All subscriber connections end; or they stay, silent, on the old primary,
// where nothing is sent.
func (s *Store) promote(lag int, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.primary++
	if lag = min(lag, len(s.past)); lag > 0 {
		at := len(s.past) - lag
		s.goBack(s.past[at])
		s.past = s.past[:at]
	}
	for subscriber := range s.subscribers {
		if silent {
			subscriber.silent = true
		} else {
			subscriber.breakOff()
		}
	}
}

// goBack puts an older state in place. Called with s.mu held.
func (s *Store) goBack(to state) {
	s.state = to
	s.damages++
	clear(s.flushed) // it may be back, or be lost in another way
}

// save copies everything, as SAVE does.
func (s *Store) save() {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := s.copy()
	s.saved = &saved
}

// restore is a restart from the copy, which all replicas then have. It reports false if
// there is none. The copy stays, and may come back again.
func (s *Store) restore() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saved == nil {
		return false
	}
	s.primary++
	s.goBack(s.saved.copy())
	s.past = nil
	for subscriber := range s.subscribers {
		subscriber.breakOff()
	}
	return true
}

// confirm makes the replica have everything. Called with s.mu held.
func (s *Store) confirm() { s.past = nil }

// flush forgets everything, as a restart without data does.
func (s *Store) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rec := range s.topics {
		for e := s.all[rec.head]; e != nil; e = s.all[e.before] {
			s.flushed[e.Position] = true
		}
	}
	s.remember()
	s.state = emptyState()
	s.damages++
}

// Evict forgets a topic's head, or all but the newest messages of its history.
func (s *Store) Evict(topic string, head bool, keep int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.topics[topic]
	if rec == nil {
		return
	}
	next := *rec
	if head {
		next.head, next.stateHead = broker.Position{}, stateHead{}
	} else {
		next.entries = next.entries[max(0, len(next.entries)-keep):]
	}
	s.change(topic, &next)
	s.damages++
}

// EvictKeys forgets the keys of a state, or only when they end.
func (s *Store) EvictKeys(topic string, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.topics[topic]
	if rec == nil || rec.keys == nil {
		return
	}
	next := *rec
	next.keys = nil
	if !all {
		next.keys = rec.keys.Clone()
		next.keys.Untime()
	}
	s.change(topic, &next)
	s.damages++
}

// Fork makes a topic's newest message another one than anybody has seen.
func (s *Store) Fork(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.topics[topic]
	next.head.Tag ^= 1
	s.change(topic, &next)
	s.damages++
}
