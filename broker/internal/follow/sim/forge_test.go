package sim

import (
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
)

// forge makes the client forget where it was and come with positions that it has made up
// from what any follower knows. From then on it is a client like any other: it must get a
// gap, and nothing but what follows that, or a reset and the whole state. Called with c.mu
// held.
func (c *simClient) forge(how, far int) {
	c.lastID = ""
	if how%7 == 6 { // other topics' cursors
		c.forget()
		return
	}
	for i, p := range c.places {
		at, isPlace := c.world.madeUp(p.topic, i, how, far)
		if p.state && isPlace {
			continue // with another map than it had there
		}
		p.forge(at)
		if isPlace && c.world.store.isPosition(at) {
			p.forged = broker.Position{} // it is real
		}
		if v := c.views[p.topic]; v != nil {
			v.moves = []move{{at, true, time.Now(), v.cursor}}
		}
	}
}

// madeUp returns a position that a client makes up, and whether it is one of the topic.
func (w *world) madeUp(topic string, i, how, far int) (p broker.Position, isPlace bool) {
	p = w.store.position(topic)
	switch how % 7 {
	case 0: // another tag
		p.Offset = max(p.Offset, 1)
		p.Tag ^= uint32(1 + far)
	case 1: // ahead of everybody
		p.Offset += uint64(1 + far)
		p.Tag = uint32(far)
	case 2:
		p.Offset, p.Tag = broker.MaxOffset, 1
	case 3: // before the first message, which is real
		p.Offset, p.Tag = 0, 0
		isPlace = true
	case 4: // another topic's position
		others := w.all()
		other := others[(i+1+far)%len(others)]
		return w.store.position(other), other == topic
	default: // another epoch
		p.Epoch++
	}
	return p, isPlace
}

// position is where a topic is.
func (s *Store) position(topic string) broker.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if head := s.heads([]string{topic})[0]; !head.Position.IsZero() {
		return head.Position
	}
	return follow.FirstPosition(s.genesis, topic)
}
