package push

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// decrees are those that this instance knows of. To look one up costs a read lock
// and a look into a map, and nothing while there are none.
type decrees struct {
	any atomic.Bool // there is one at all

	mu    sync.RWMutex // guards the rest; innermost
	known map[subject]decree
}

// put notes a decree, unless a later one about the same is known.
func (t *decrees) put(d decree) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d.At.Before(t.known[d.subject].At) {
		return
	}
	if t.known == nil {
		t.known = map[subject]decree{}
	}
	t.known[d.subject] = d
	t.any.Store(true)
}

// next gives the time of a new decree, which is later than that of the last about
// the same, whatever the clock that made it. It isn't ok if there are too many.
func (t *decrees) next(about subject, now time.Time) (at time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, there := t.known[about]
	if !there && len(t.known) >= maxRevocations {
		t.forget(now)
		if len(t.known) >= maxRevocations {
			return time.Time{}, false
		}
	}
	if !now.After(last.At) {
		now = last.At.Add(1)
	}
	return now, true
}

// all gives those that hold, and forgets the others.
func (t *decrees) all(now time.Time) map[subject]decree {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	return maps.Clone(t.known)
}

// forget forgets what has expired. Called with t.mu held.
func (t *decrees) forget(now time.Time) {
	maps.DeleteFunc(t.known, func(_ subject, d decree) bool { return !now.Before(d.Until) })
	t.any.Store(len(t.known) > 0)
}

// find gives what is revoked of a subject, if it is. Called with t.mu held for reading.
func (t *decrees) find(about subject, now time.Time) (decree, bool) {
	d, ok := t.known[about]
	return d, ok && !d.Restored && now.Before(d.Until)
}

// revokesUser reports whether somebody who was identified before was revoked since.
func (t *decrees) revokesUser(id *Identity) bool {
	if id.User == "" || !t.any.Load() {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.find(subject{User: id.User}, time.Now())
	return ok && !id.Issued.After(d.At)
}

// revokesTopic reports whether a user, who may be anonymous, may have nothing to do
// with a topic.
func (t *decrees) revokesTopic(user, topic string) bool {
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

// endsSession reports whether a session was revoked.
func (t *decrees) endsSession(s *Session) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.find(subject{Session: s.id}, time.Now())
	return ok
}
