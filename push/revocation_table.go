package push

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// revocationTable has the records about users and topics that this instance knows of. To look one
// up costs a read lock and a look into a map, and nothing while there are none.
// What has expired is forgotten once a minute, when another comes, and when there is
// no room.
type revocationTable struct {
	any atomic.Bool // there is one at all

	mu     sync.RWMutex // guards the rest; innermost
	known  map[subject]revocationRecord
	pruned time.Time // when what has expired was forgotten last
}

const pruneInterval = time.Minute

// put notes a record, unless a later one about the same is known. It isn't ok if there
// are too many.
func (t *revocationTable) put(d revocationRecord) (ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.pruned) >= pruneInterval {
		t.forget()
	}
	known, there := t.known[d.subject]
	switch {
	case there && d.At.Before(known.At):
		return true
	case !there && !t.hasRoom(maxHeard):
		return false
	}
	if t.known == nil {
		t.known = map[subject]revocationRecord{}
	}
	t.known[d.subject] = d
	t.any.Store(true)
	return true
}

// next gives the time of a new record, which is later than that of the last about
// the same, whatever the clock that made it. It isn't ok if there are too many.
func (t *revocationTable) next(about subject, now time.Time) (at time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, there := t.known[about]
	if !there && !t.hasRoom(maxRevocations) {
		return time.Time{}, false
	}
	now = now.Truncate(time.Microsecond)
	if !now.After(last.At) {
		now = last.At.Add(time.Microsecond)
	}
	return now, true
}

// len is how many are kept, those too that have expired and aren't forgotten yet.
func (t *revocationTable) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known)
}

// all gives those that hold, and forgets the others.
func (t *revocationTable) all() map[subject]revocationRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	return maps.Clone(t.known)
}

// The methods below are called with t.mu held.

// hasRoom reports whether there is room for one more, after what has expired was
// forgotten if need be.
func (t *revocationTable) hasRoom(most int) bool {
	if len(t.known) >= most {
		t.forget()
	}
	return len(t.known) < most
}

// forget forgets what has expired.
func (t *revocationTable) forget() {
	now := time.Now()
	t.pruned = now
	maps.DeleteFunc(t.known, func(_ subject, d revocationRecord) bool { return !now.Before(d.until) })
	t.any.Store(len(t.known) > 0)
}

// find gives what is revoked of a subject, if it is. t.mu may be held for reading.
func (t *revocationTable) find(about subject, now time.Time) (revocationRecord, bool) {
	d, ok := t.known[about]
	return d, ok && !d.Restored && now.Before(d.until)
}

// revokesUser reports whether somebody who was identified before was revoked since.
func (t *revocationTable) revokesUser(id *Identity) bool {
	if id.User == "" || !t.any.Load() {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.find(subject{User: id.User}, time.Now())
	return ok && !id.Issued.After(d.At.Add(clockTolerance))
}

// revokesTopic reports whether a user, who may be anonymous, may have nothing to do
// with a topic.
func (t *revocationTable) revokesTopic(user, topic string) bool {
	if !t.any.Load() {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	now := time.Now()
	_, forAll := t.find(subject{Topic: topic}, now)
	_, forUser := t.find(subject{User: user, Topic: topic}, now)
	return forAll || forUser
}
