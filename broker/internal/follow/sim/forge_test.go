package sim

import (
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push/cursor"
)

// forge makes the client forget where it was and come with positions that it has made up
// from what any follower knows. From then on it is a client like any other: it must get a
// gap, and nothing but what follows that. Called with c.mu held.
func (c *simClient) forge(how, far int) {
	c.lastID = ""
	if how%7 == 6 { // other topics' cursors
		c.forget()
		return
	}
	for i, topic := range c.topics {
		v := c.views[topic]
		p := c.world.store.position(topic)
		v.foreign = false
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
		case 4: // another topic's position
			p = c.world.store.position(c.world.topics[(i+1+far)%len(c.world.topics)])
		default: // another epoch
			p.Epoch++
		}
		v.at, v.forged, v.rewound = p, p, time.Now()
		v.cursor = cursor.Format(topic, p)
		v.moves = []move{{p, true, time.Now(), v.cursor}}
	}
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
