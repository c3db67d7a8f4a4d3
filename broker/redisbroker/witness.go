package redisbroker

import (
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// maxWitnesses is for how many topics that nobody here follows a broker remembers
// what it has seen.
const maxWitnesses = 10_000

// witnesses are the highest positions that this instance has seen stored, by
// topic. A Redis that doesn't have them any more has gone back in time.
//
// Nor does one that has not used the topic for as long as it keeps heads, which proves
// nothing: the topic may have begun again, in the same epoch even. So a witness has its
// time, too.
type witnesses struct {
	life time.Duration // static; of a witness, less than heads are kept

	mu            sync.Mutex // guards the rest
	followed      map[string]testimony
	newest, older map[string]testimony // the others; two generations, so that old topics go
}

// witness is a position, and the epoch before its own, which has ended: a Redis that
// has it again has gone back in time as well.
type witness struct {
	push.Position
	left push.Epoch
}

// testimony is a witness and when it was last seen to be right.
type testimony struct {
	witness
	seen time.Time
}

// at gives what is known of a topic; zero if nothing is.
func (w *witnesses) at(topic string) witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known(topic)
}

// contradict reports whether another message is known to have been stored at this
// place: then p is of another branch, of a Redis that has gone back in time.
func (w *witnesses) contradict(topic string, p push.Position) bool {
	known := w.at(topic)
	return known.Epoch == p.Epoch && known.Offset == p.Offset && known.Tag != p.Tag
}

func (w *witnesses) known(topic string) witness {
	for _, all := range []map[string]testimony{w.followed, w.newest, w.older} {
		if known, ok := all[topic]; ok {
			if time.Since(known.seen) > w.life {
				return witness{}
			}
			return known.witness
		}
	}
	return witness{}
}

// note remembers that a position was stored. Carried is the witness of the call
// that found it: a call which began before the epoch changed knows nothing of the
// new one.
func (w *witnesses) note(topic string, p, carried push.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.known(topic)
	switch {
	case p == known.Position:
		w.set(topic, known)
		return
	case p.Epoch != known.Epoch && carried.Epoch != known.Epoch && !known.IsZero(),
		p.Epoch == known.Epoch && p.Offset <= known.Offset:
		return
	}
	next := witness{p, known.left}
	if p.Epoch != known.Epoch {
		next.left = known.Epoch
	}
	w.set(topic, next)
}

func (w *witnesses) set(topic string, right witness) {
	known := testimony{right, time.Now()}
	if _, ok := w.followed[topic]; ok {
		w.followed[topic] = known
		return
	}
	w.keep(topic, known)
}

// keep remembers a topic that isn't followed.
func (w *witnesses) keep(topic string, known testimony) {
	if _, ok := w.newest[topic]; !ok && len(w.newest) >= maxWitnesses/2 {
		w.older, w.newest = w.newest, nil
	}
	if w.newest == nil {
		w.newest = map[string]testimony{}
	}
	w.newest[topic] = known
}

// follow keeps the witness of a topic as long as it is followed.
func (w *witnesses) follow(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known, ok := w.newest[topic]
	if !ok {
		known = w.older[topic]
	}
	if w.followed == nil {
		w.followed = map[string]testimony{}
	}
	w.followed[topic] = known
}

func (w *witnesses) unfollow(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.followed[topic]
	delete(w.followed, topic)
	if !known.IsZero() {
		w.keep(topic, known)
	}
}
