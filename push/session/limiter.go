package session

import (
	"net/netip"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/limit"
)

// limiter keeps a hub's Limits.
type limiter struct {
	// static
	limits    push.Limits
	addresses bool // PerAddress holds for shared addresses too
	guesses   bool // Failures does

	slots          slots
	failures       limit.Buckets[netip.Addr]
	sharedFailures limit.Buckets[netip.Addr] // of failures from shared addresses, where Failures doesn't hold
	opens          limit.Buckets[struct{}]
	returns        returns // that don't count as opens

	// of messages by POST
	userSends    limit.Buckets[string]
	addressSends limit.Buckets[netip.Addr]

	topics  shares // that a client brings into being
	resumes shares
}

// init is called once. given are the limits as the application gave them.
func (g *limiter) init(given push.Limits) {
	g.limits = defaults(given)
	g.addresses = given.PerAddress > 0
	g.guesses = given.Failures.PerSecond > 0
	g.slots.limits = &g.limits
	g.failures.Rate = limit.Rate(g.limits.Failures)
	if given.Failures == (push.Rate{}) {
		g.sharedFailures.Rate = sharedFailureRate
	}
	g.opens.Rate = limit.Rate(g.limits.Opens)
	g.returns.counts = g.opens.Rate != limit.Rate{}
	g.topics.init(given, given.Topics, g.limits.Topics)
	g.resumes.init(given, given.Resumes, g.limits.Resumes)
	g.userSends.Rate, g.addressSends.Rate = limit.Rate(g.limits.Sends), limit.Rate(g.limits.Sends)
}

// reserve counts a connection from there in, and returns its slot.
func (g *limiter) reserve(from source, now time.Duration) (*slot, *push.Error) {
	if err := g.mayTry(from, now); err != nil {
		return nil, err
	}
	return g.slots.acquire(from, g.counts(from))
}

// open counts the opening of a connection that has its slot. Again says that its client was
// here before.
func (g *limiter) open(from source, again bool, now time.Duration) *push.Error {
	if again && g.returns.take(from, now) {
		return nil
	}
	if wait := g.opens.Take(struct{}{}, now); wait > 0 {
		return &push.Error{
			Code: push.CodeUnavailable, Reason: "too many come at the same time", After: wait, Hint: "push.Limits.Opens is reached",
		}
	}
	return nil
}

// counts reports whether connections from there are counted together.
func (g *limiter) counts(from source) bool {
	return from.address.IsValid() && (g.addresses || !from.shared)
}

// mayTry refuses who has failed too often to say who they are.
func (g *limiter) mayTry(from source, now time.Duration) *push.Error {
	if from.shared && !g.guesses {
		return nil
	}
	return tooFast(g.failures.Wait(from.address, now), tooManyFailures, "Failures")
}

// sharedFailureRate is how often all who stand behind a shared address may fail. Nobody else
// is held off for it, and who fails is soon told the truth.
var sharedFailureRate = limit.Rate{PerSecond: 20, Burst: 50}

// failed counts an attempt that has failed.
func (g *limiter) failed(from source, now time.Duration) *push.Error {
	counted := &g.failures
	if from.shared && !g.guesses {
		counted = &g.sharedFailures
	}
	return tooFast(counted.Take(from.address, now), tooManyFailures, "Failures")
}

// send counts a message that comes by POST.
func (g *limiter) send(from source, user string, now time.Duration) *push.Error {
	switch {
	case user != "":
		return tooFast(g.userSends.Take(user, now), tooManySends, "Sends")
	case from.shared:
		return nil
	default:
		return tooFast(g.addressSends.Take(from.address, now), tooManySends, "Sends")
	}
}

const tooManyFailures = "too many failed attempts from this address"

// tooFast is the error for a client that has to wait, by one of the Limits, or nil.
func tooFast(wait time.Duration, reason, limit string) *push.Error {
	if wait == 0 {
		return nil
	}
	return &push.Error{Code: push.CodeRateLimited, Reason: reason, After: wait, Hint: "push.Limits." + limit + " is reached"}
}
