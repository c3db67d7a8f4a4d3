//clock:virtual

package sim

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tidewire/tidewire/push"
)

// right is whether a client's user may follow anything, or one topic.
type right struct {
	revocation push.Revocation
	calls      int       // of Revoke and Restore
	underWay   int       // of them
	revoked    time.Time // when Revoke had returned, and nothing has been asked since; else zero
	by         *instance
	damages    int // what the store had suffered by then
}

const (
	// cutWithin is how long a user who was revoked may still get messages.
	cutWithin = 5 * time.Second
	// userHeader says who a client is.
	userHeader = "Sim-User"
)

func identify(r *http.Request) (push.Identity, error) {
	return push.Identity{User: r.Header.Get(userHeader)}, nil
}

// decide revokes or restores what a client may do, beside all else: everything, or one
// topic.
func (w *world) decide(n *instance, c *simClient, topic string, revoke bool) {
	w.mu.Lock()
	w.tries++
	turn := w.tries
	w.mu.Unlock()
	w.decisions.Go(func() {
		time.Sleep(time.Duration(turn)) // one after the other, for the same order each time
		what := "restoring"
		if revoke {
			what = "revoking"
		}
		if err := c.decide(n, topic, revoke); err != nil {
			w.count(what+" failed: "+string(push.AsError(err).Code), 1)
		}
	})
}

func (c *simClient) decide(n *instance, topic string, revoke bool) error {
	c.mu.Lock()
	r := c.rights[topic]
	if r == nil {
		r = &right{revocation: push.Revocation{User: c.name, Topic: topic}}
		c.rights[topic] = r
	}
	r.calls++
	r.underWay++
	mine, alone := r.calls, r.underWay == 1
	if !revoke {
		r.revoked = time.Time{}
	}
	c.mu.Unlock()
	do := n.hub.Restore
	if revoke {
		do = n.hub.Revoke
	}
	damages := c.world.store.damageSoFar()
	err := do(context.Background(), r.revocation)
	c.world.logf("%s: revoke %v %+v: %v", n.name, revoke, r.revocation, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	r.underWay--
	if revoke && alone && r.calls == mine && err == nil {
		r.revoked, r.by, r.damages = time.Now(), n, damages
	}
	return err
}

// allowAll restores everybody's rights.
func (w *world) allowAll() {
	w.decisions.Wait()
	for _, c := range w.clients {
		for topic := range c.rights {
			var err error
			for range 30 {
				if err = c.decide(w.instance(0), topic, false); err == nil {
					break
				}
				time.Sleep(time.Second)
			}
			if err != nil {
				w.violate("%s can't be allowed %q again: %v", c.name, topic, err)
			}
		}
	}
}

// allowed holds a message against what was revoked. It is for nobody whose rights were
// taken away, once the system has been well for long enough, as long as it is known: to
// the store, or else to an instance.
func (c *simClient) allowed(p *place, e *entry) {
	sent := e.stored
	if p.since.After(sent) {
		sent = p.since
	}
	for _, topic := range []string{"", p.topic} {
		r := c.rights[topic]
		if r == nil || r.revoked.IsZero() || !sent.After(r.revoked.Add(cutWithin)) || !c.world.calmSince(sent) {
			continue
		}
		if c.world.store.damageSoFar() == r.damages || c.world.lives(r.by) {
			p.violate("P10: %v came %v after %+v was revoked", e.Position, time.Since(r.revoked), r.revocation)
		}
	}
}

// lives reports whether an instance has not been ended.
func (w *world) lives(n *instance) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.instances, n)
}

func (s *Store) damageSoFar() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damages
}
