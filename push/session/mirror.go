package session

import (
	"container/list"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// mirror is a state topic's map as this instance has it: read from the broker once, and
// changed by the topic's messages from then on. It may be ahead of what the feed has
// received, never behind. What clients get is encoded from it, at the moment when it is
// sent. All of it is guarded by feed.mu.
type mirror struct {
	entries  map[string]*mirrored
	order    list.List   // of *mirrored, the one that was changed last at the back
	listed   []*mirrored // what order has, until something changes
	position broker.Position
	size     int // of keys and values, as it is counted in hub.memory

	// While the map is read from the broker what comes is buffered.
	loading      bool
	buffered     []*push.Message
	bufferedSize int
	overflowed   bool             // what was buffered is dropped: the read has to begin again
	broke        broker.GapReason // why it is read again
	// restarts counts how often it was read again. A client that was told what was before is
	// told nothing of it but the whole.
	restarts uint64

	clock stateClock

	arrived chan struct{} // closed when the feed has moved on; nil if nobody waits
	closed  chan struct{} // when the feed is
}

// mirrored is one key of a mirror.
type mirrored struct {
	key      string
	data     []byte
	encoding push.Encoding
	units    int // of data; negative if they aren't counted yet
	version  uint64
	set      uint64 // the offset after which there were only appends, or a later one
	gone     bool   // it was deleted
	place    *list.Element
}

const (
	// mirroredCost is what a key counts for besides its name and its value.
	mirroredCost = 200
	// maxBuffered bounds the messages that come while a map is read.
	maxBuffered = broker.MaxStateKeys
	// maxMirrors bounds all mirrors of a hub together, in bytes, with a quarter of
	// Limits.Memory.
	maxMirrors = 1 << 30
)

func newMirror(interval time.Duration) *mirror {
	return &mirror{
		entries: map[string]*mirrored{}, loading: true, closed: make(chan struct{}),
		clock: stateClock{interval: interval},
	}
}

// load makes the mirror what a broker has read.
func (mr *mirror) load(page push.Page) {
	mr.order.Init()
	mr.entries = make(map[string]*mirrored, len(page.Messages))
	mr.size, mr.listed, mr.position = 0, nil, page.Head
	for _, m := range page.Messages {
		mr.set(m)
	}
}

// keep buffers a message that comes while the map is read.
func (mr *mirror) keep(m *push.Message) {
	if len(mr.buffered) == maxBuffered || mr.bufferedSize+m.Size() > broker.MaxStateBytes {
		mr.forget()
		mr.overflowed = true
	}
	mr.buffered, mr.bufferedSize = append(mr.buffered, m), mr.bufferedSize+m.Size()
}

// forget drops what was buffered.
func (mr *mirror) forget() { mr.buffered, mr.bufferedSize = nil, 0 }

// catchUp applies what was buffered to what was read. It reports whether the mirror is then
// at a place or past it.
func (mr *mirror) catchUp(at broker.Position) bool {
	for _, m := range mr.buffered {
		if !mr.has(m.Position) && !m.Follows(mr.position) {
			return false
		}
		mr.apply(m)
	}
	return mr.position.Reaches(at)
}

// has reports whether the mirror has what a message did.
func (mr *mirror) has(p broker.Position) bool { return mr.position.Reaches(p) }

// apply does what a message says, unless the mirror has it.
func (mr *mirror) apply(m *push.Message) {
	if mr.has(m.Position) || m.Epoch != mr.position.Epoch {
		return
	}
	mr.position, mr.listed = m.Position, nil
	switch m.Op {
	case broker.OpSet:
		mr.set(m)
	case broker.OpAppend:
		mr.append(m)
	case broker.OpDelete:
		mr.delete(m.Key)
	case broker.OpPublish, broker.OpTouch: // aren't in a state's history
	}
}

func (mr *mirror) set(m *push.Message) {
	e := mr.entry(m)
	mr.size += len(m.Data) - len(e.data)
	e.data, e.encoding, e.units, e.set = m.Data, m.Encoding, -1, m.Offset
}

// append adds text to a value. The array of a value that a message has brought is not
// ours: it is copied.
func (mr *mirror) append(m *push.Message) {
	e := mr.entry(m)
	if e.units < 0 {
		e.units = broker.Units(e.data)
		e.data = append(make([]byte, 0, 2*(len(e.data)+len(m.Data))), e.data...)
	}
	kept := len(e.data)
	if m.Start != e.units {
		kept = broker.SkipUnits(e.data, m.Start)
	}
	mr.size += kept + len(m.Data) - len(e.data)
	e.data, e.encoding = append(e.data[:kept:cap(e.data)], m.Data...), push.EncodingText
	e.units = m.Start + broker.Units(m.Data)
}

// entry returns the entry of a message's key, which has been changed now.
func (mr *mirror) entry(m *push.Message) *mirrored {
	e := mr.entries[m.Key]
	if e == nil {
		e = &mirrored{key: m.Key, set: m.Offset}
		e.place = mr.order.PushBack(e)
		mr.entries[m.Key] = e
		mr.size += len(m.Key) + mirroredCost
	}
	mr.order.MoveToBack(e.place)
	e.version = m.Offset
	return e
}

func (mr *mirror) delete(key string) {
	e := mr.entries[key]
	if e == nil {
		return
	}
	delete(mr.entries, key)
	mr.order.Remove(e.place)
	mr.size -= len(key) + len(e.data) + mirroredCost
	*e = mirrored{gone: true} // a snapshot that waits for a slow client keeps no more of it
}

// list returns all entries, the one that was changed last at the end. The list is shared:
// nobody changes it.
func (mr *mirror) list() []*mirrored {
	if mr.listed == nil {
		mr.listed = make([]*mirrored, 0, len(mr.entries))
		for e := mr.order.Front(); e != nil; e = e.Next() {
			mr.listed = append(mr.listed, e.Value.(*mirrored))
		}
	}
	return mr.listed
}

// change returns what a client that lacks this of a key has to do.
func (mr *mirror) change(k lackingKey) Change {
	e := mr.entries[k.key]
	switch {
	case e == nil:
		return Change{Op: broker.OpDelete, Key: k.key}
	case k.whole, e.set > k.from:
		return e.whole()
	}
	data := e.data[broker.SkipUnits(e.data, k.start):]
	return Change{Op: broker.OpAppend, Key: e.key, Data: data, Start: k.start, Version: e.version}
}

// appended notes that a key was only appended to from one of its changes up to another, which
// history has shown: a mirror that was read later doesn't know.
func (mr *mirror) appended(k lackingKey, last uint64) {
	if e := mr.entries[k.key]; e != nil && !k.whole && e.set <= last {
		e.set = min(e.set, k.from)
	}
}

// whole sets the key to its value.
func (e *mirrored) whole() Change {
	return Change{Op: broker.OpSet, Key: e.key, Data: e.data, Encoding: e.encoding, Version: e.version}
}
