package redisbroker

import (
	"sync"

	"github.com/tidewire/tidewire/push"
)

// maxWitnesses is for how many topics that nobody here follows a broker remembers
// what it has seen.
const maxWitnesses = 10_000

// witnesses are the highest positions that this instance has seen stored, by
// topic. A Redis that doesn't have them any more has gone back in time.
type witnesses struct {
	mu            sync.Mutex // guards the rest
	followed      map[string]witness
	newest, older map[string]witness // the others; two generations, so that old topics go
}

// witness is a position, and the epoch before its own, which has ended: a Redis that
// has it again has gone back in time as well.
type witness struct {
	push.Position
	left push.Epoch
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
	if known, ok := w.followed[topic]; ok {
		return known
	}
	if known, ok := w.newest[topic]; ok {
		return known
	}
	return w.older[topic]
}

// note remembers that a position was stored. Carried is the witness of the call
// that found it: a call which began before the epoch changed knows nothing of the
// new one.
func (w *witnesses) note(topic string, p, carried push.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.known(topic)
	switch {
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

func (w *witnesses) set(topic string, known witness) {
	if _, ok := w.followed[topic]; ok {
		w.followed[topic] = known
		return
	}
	if _, ok := w.newest[topic]; !ok && len(w.newest) >= maxWitnesses/2 {
		w.older, w.newest = w.newest, nil
	}
	if w.newest == nil {
		w.newest = map[string]witness{}
	}
	w.newest[topic] = known
}

// follow keeps the witness of a topic as long as it is followed.
func (w *witnesses) follow(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.known(topic)
	if w.followed == nil {
		w.followed = map[string]witness{}
	}
	w.followed[topic] = known
}

func (w *witnesses) unfollow(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.known(topic)
	delete(w.followed, topic)
	if !known.IsZero() {
		w.set(topic, known)
	}
}
