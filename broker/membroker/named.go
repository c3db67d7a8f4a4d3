package membroker

import (
	"hash/maphash"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// maxNamed is how many messages of a topic are remembered by their IDs.
const maxNamed = 100_000

// namedMessages remembers the messages whose publisher chose the ID, so that a
// repeated publish adds nothing.
type namedMessages struct {
	byID  map[string]namedMessage
	order []namedAt // oldest first
}

type namedMessage struct {
	position broker.Position
	content  uint64
}

type namedAt struct {
	id   string
	time time.Time
}

// find gives the receipt of the message that m repeats, or the zero Receipt.
func (n *namedMessages) find(m *push.Message) (push.Receipt, error) {
	if n == nil {
		return push.Receipt{}, nil
	}
	first, ok := n.byID[m.ID]
	switch {
	case !ok:
		return push.Receipt{}, nil
	case first.content != contentOf(m):
		return push.Receipt{}, push.CodeConflict
	default:
		return push.Receipt{ID: m.ID, Position: first.position, Duplicate: true}, nil
	}
}

func (n *namedMessages) add(m *push.Message) {
	n.byID[m.ID] = namedMessage{m.Position, contentOf(m)}
	n.order = append(n.order, namedAt{m.ID, m.Time})
}

// forget drops those up to a time, and the oldest so that there is room for one
// more. It reports whether none is left.
func (n *namedMessages) forget(until time.Time) bool {
	drop := 0
	for drop < len(n.order) && (len(n.order)-drop >= maxNamed || !n.order[drop].time.After(until)) {
		delete(n.byID, n.order[drop].id)
		drop++
	}
	n.order = dropFirst(n.order, drop)
	return len(n.order) == 0
}

// contentOf stands for what a message says.
func contentOf(m *push.Message) uint64 {
	return maphash.Comparable(seed, struct {
		event, key string
		data       uint64
		encoding   push.Encoding
		op         broker.Op
	}{m.Event, m.Key, maphash.Bytes(seed, m.Data), m.Encoding, m.Op})
}
