package session

import (
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/limit"
)

// shares are a Rate of one connection, of which a user has userShare and an address
// addressShare, however many connections they have. So a client gains little by
// connecting anew, and those that come back together after a restart are served at
// once.
type shares struct {
	rate   limit.Rate // static, of a connection
	shared bool       // static: addresses that may stand for everybody are counted too

	mu        sync.Mutex // held from the look at all of them to the use of all of them
	sessions  limit.Buckets[uuid.UUID]
	users     limit.Buckets[string]
	addresses limit.Buckets[netip.Addr]
}

const (
	userShare    = 4
	addressShare = 20
)

// init is called once. given is the rate as the application gave it, in limits that it
// gave.
func (t *shares) init(limits push.Limits, given, resolved push.Rate) {
	r := limit.Rate(resolved)
	t.rate, t.shared = r, given.PerSecond > 0
	t.sessions.Rate = r
	if limits.PerUser >= 0 {
		t.users.Rate = r.Times(userShare)
	}
	if limits.PerAddress >= 0 {
		t.addresses.Rate = r.Times(addressShare)
	}
}

// take uses the rate once for a session, its user and its address, if it allows that
// now to all of them, and else says how long that takes.
func (t *shares) take(s *Session, now time.Duration) time.Duration {
	if t.rate == (limit.Rate{}) || s.slot == nil {
		return 0
	}
	user, from := s.Identity().User, s.slot.from
	counted := from.address.IsValid() && (t.shared || !from.shared)
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := t.sessions.Wait(s.id, now)
	if user != "" {
		wait = max(wait, t.users.Wait(user, now))
	}
	if counted {
		wait = max(wait, t.addresses.Wait(from.address, now))
	}
	if wait > 0 {
		return wait
	}
	t.sessions.Take(s.id, now)
	if user != "" {
		t.users.Take(user, now)
	}
	if counted {
		t.addresses.Take(from.address, now)
	}
	return 0
}
