package revoke

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Table has the records about users and topics that an instance knows of. To look one up costs
// a read lock and a look into a map, and nothing while there are none. What has expired is
// forgotten once a minute, when another comes, and when there is no room. The zero value is
// empty and ready.
type Table struct {
	any atomic.Bool // there is one at all

	mu     sync.RWMutex // guards the rest; innermost
	known  map[Subject]Record
	pruned time.Time // when what has expired was forgotten last
}

const (
	maxRecords     = 10_000
	maxHeard       = maxRecords + maxRecords/10 // with those that several instances decide on at once
	clockTolerance = time.Second                // of the time when an identity was issued
	pruneInterval  = time.Minute
)

// Put notes a record, unless a later one about the same is known. It isn't ok if there
// are too many.
func (t *Table) Put(r Record) (ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.pruned) >= pruneInterval {
		t.forget()
	}
	known, there := t.known[r.Subject]
	switch {
	case there && r.At.Before(known.At):
		return true
	case !there && !t.hasRoom(maxHeard):
		return false
	}
	if t.known == nil {
		t.known = map[Subject]Record{}
	}
	t.known[r.Subject] = r
	t.any.Store(true)
	return true
}

// Next returns the time of a new record, which is later than that of the last about the
// same, whatever the clock that made it. It isn't ok past 10,000 records.
func (t *Table) Next(about Subject, now time.Time) (at time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, there := t.known[about]
	if !there && !t.hasRoom(maxRecords) {
		return time.Time{}, false
	}
	now = now.Truncate(time.Microsecond)
	if !now.After(last.At) {
		now = last.At.Add(time.Microsecond)
	}
	return now, true
}

// Len is how many are kept, those too that have expired and aren't forgotten yet.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known)
}

// All returns those that hold, and forgets the others.
func (t *Table) All() map[Subject]Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	return maps.Clone(t.known)
}

// Any reports whether there is a record at all, in force or not.
func (t *Table) Any() bool { return t.any.Load() }

// User reports whether a user was revoked who was identified at a time, or before it for all
// that is known.
func (t *Table) User(user string, issued time.Time) bool {
	if user == "" || !t.any.Load() {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	r, ok := t.find(Subject{User: user}, time.Now())
	return ok && !issued.After(r.At.Add(clockTolerance))
}

// Topic reports whether a topic was taken from a user, who may be anonymous, or from all.
func (t *Table) Topic(user, topic string) bool {
	if !t.any.Load() {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	now := time.Now()
	_, forAll := t.find(Subject{Topic: topic}, now)
	_, forUser := t.find(Subject{User: user, Topic: topic}, now)
	return forAll || forUser
}

// The methods below are called with t.mu held.

// hasRoom reports whether there is room for one more, after what has expired was
// forgotten if need be.
func (t *Table) hasRoom(most int) bool {
	if len(t.known) >= most {
		t.forget()
	}
	return len(t.known) < most
}

// forget forgets what has expired.
func (t *Table) forget() {
	now := time.Now()
	t.pruned = now
	maps.DeleteFunc(t.known, func(_ Subject, r Record) bool { return !now.Before(r.Until) })
	t.any.Store(len(t.known) > 0)
}

// find returns what is revoked of a subject, if it is. t.mu may be held for reading.
func (t *Table) find(about Subject, now time.Time) (Record, bool) {
	r, ok := t.known[about]
	return r, ok && !r.Restored && now.Before(r.Until)
}
