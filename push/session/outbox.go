package session

import (
	"github.com/tidewire/tidewire/broker"
)

// outbox is what waits for one client to read it, bounded by Options.QueueMessages. Frames
// count from when they are reserved until they were written, so that what a
// client holds up is what is bounded.
//
// For Limits.Memory they count only while the outbox keeps them. What the shard tells
// it lends to the sessions that it writes to itself, until they have had their turn:
// so a client that reads in time costs no count.
type outbox struct {
	queue []*Frame
	size  int      // of all that is reserved, in bytes
	count int      // of all that is reserved
	keeps bool     // all that is reserved, and what is reserved from now on
	waits bool     // a goroutine of its own waits for the socket
	taken []*Frame // being written
	spare []*Frame // the last queue's array, to be used again
	paid  int64    // counted for arrays, and for waiting
	extra int64    // counted for the transport; see Session.Keep
}

const (
	// writeSize is about how many bytes one Conn.Write gets, so that a client that
	// reads slowly but steadily meets the write timeout.
	writeSize = 64 << 10
	// maxSpare bounds the array that an idle session keeps.
	maxSpare = 16
	// waitCost is what a full socket costs besides frames: a goroutine, what it joins
	// to one write, and as much that was joined before and not taken.
	waitCost = 40 << 10
	// slotCost is what a frame takes in an array that has grown, and slotStep how many
	// are counted at a time.
	slotCost, slotStep = 16, 256
)

// fits reports whether there is room for a frame. One that is alone always fits.
func (o *outbox) fits(frame *Frame, bound broker.Limit) bool {
	return o.count == 0 || o.size+frame.size() <= bound.Bytes && o.count < bound.Messages
}

// reserve counts a frame in that fits, and keeps it unless it is lent. It fails if the
// hub has no room.
func (o *outbox) reserve(m *memory, frame *Frame, lent bool) bool {
	if (!lent || o.keeps) && !(o.keepAll(m) && o.pay(m, o.count+1) && m.keep(frame, m.limit)) {
		return false
	}
	o.size += frame.size()
	o.count++
	return true
}

// keepAll keeps what was lent, and does so with all that is reserved from now on. It
// fails if the hub has no room.
func (o *outbox) keepAll(m *memory) bool {
	if o.keeps {
		return true
	}
	if !m.keepAll(o.taken) {
		return false
	}
	if !m.keepAll(o.queue) {
		m.releaseAll(o.taken)
		return false
	}
	o.keeps = true
	return true
}

// pay counts what the outbox costs besides its frames, of which there are so many. It
// fails if the hub has no room.
func (o *outbox) pay(m *memory, count int) bool {
	cost := int64(0)
	if count > maxSpare {
		cost = int64((count + slotStep - 1) / slotStep * slotStep * slotCost)
	}
	if o.waits {
		cost += waitCost
	}
	if cost > o.paid {
		if !m.take(cost-o.paid, m.limit) {
			return false
		}
		o.paid = cost
	}
	return true
}

// rest ends the keeping when nothing is reserved any more and nobody waits.
func (o *outbox) rest(m *memory) {
	if o.count == 0 && (o.keeps || o.waits) {
		m.give(o.paid)
		o.keeps, o.waits, o.paid = false, false, 0
	}
}

// unreserve counts frames out. It returns their stamps, joined by or.
func (o *outbox) unreserve(m *memory, frames []*Frame) (stamps stamp) {
	for _, frame := range frames {
		stamps |= frame.arrived
		o.size -= frame.size()
		o.count--
		if o.keeps {
			m.release(frame)
		}
	}
	return stamps
}

// take gives the frames of one write. They stay reserved until written.
func (o *outbox) take() []*Frame {
	o.taken = o.queue
	size := 0
	for i, frame := range o.queue {
		if size += len(frame.Bytes); size >= writeSize && i+1 < len(o.queue) {
			o.taken, o.queue = o.queue[:i+1:i+1], o.queue[i+1:]
			return o.taken
		}
	}
	o.queue, o.spare = o.spare, nil
	return o.taken
}

// reuse takes the array of frames that were written. It refers to none of them any
// more, also if it is a part of the queue's.
func (o *outbox) reuse(frames []*Frame) {
	clear(frames)
	if cap(frames) <= maxSpare {
		o.spare = frames[:0]
	}
}
