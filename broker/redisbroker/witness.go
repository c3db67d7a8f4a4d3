package redisbroker

import "github.com/tidewire/tidewire/push"

// maxWitnesses is for how many topics a broker remembers what it has published.
const maxWitnesses = 10_000

// witnesses are the highest positions that this instance has seen acknowledged,
// by topic. A Redis that doesn't have them any more has gone back in time.
type witnesses struct {
	newest, older map[string]push.Position // two generations, so that old topics go
}

func (w *witnesses) at(topic string) push.Position {
	if p, ok := w.newest[topic]; ok {
		return p
	}
	return w.older[topic]
}

func (w *witnesses) note(topic string, p push.Position) {
	if known := w.at(topic); known.Epoch == p.Epoch && known.Offset >= p.Offset {
		return
	}
	if len(w.newest) >= maxWitnesses/2 {
		w.older, w.newest = w.newest, nil
	}
	if w.newest == nil {
		w.newest = map[string]push.Position{}
	}
	w.newest[topic] = p
}

// witness gives what this instance knows of a topic.
func (b *Broker) witness(topic string) (push.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return push.Position{}, errClosed
	}
	return b.witnesses.at(topic), nil
}

// remember notes that a position was stored.
func (b *Broker) remember(topic string, p push.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.witnesses.note(topic, p)
}
