package redisbroker

import (
	"sync"

	"github.com/tidewire/tidewire/push"
)

// maxWitnesses is for how many topics a broker remembers what it has seen.
const maxWitnesses = 10_000

// witnesses are the highest positions that this instance has seen stored, by
// topic. A Redis that doesn't have them any more has gone back in time.
type witnesses struct {
	mu            sync.Mutex
	newest, older map[string]witness // two generations, so that old topics go
}

type witness struct {
	push.Position
	before push.Epoch // the epoch that this one followed: late news of it say nothing
}

// at gives what is known of a topic; zero if nothing is.
func (w *witnesses) at(topic string) push.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known(topic).Position
}

func (w *witnesses) known(topic string) witness {
	if known, ok := w.newest[topic]; ok {
		return known
	}
	return w.older[topic]
}

// note remembers that a position was stored.
func (w *witnesses) note(topic string, p push.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.known(topic)
	next := witness{Position: p, before: known.before}
	switch p.Epoch {
	case known.Epoch:
		if known.Offset >= p.Offset {
			return
		}
	case known.before:
		return
	default:
		next.before = known.Epoch
	}
	if _, ok := w.newest[topic]; !ok && len(w.newest) >= maxWitnesses/2 {
		w.older, w.newest = w.newest, nil
	}
	if w.newest == nil {
		w.newest = map[string]witness{}
	}
	w.newest[topic] = next
}
