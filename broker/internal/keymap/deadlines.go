package keymap

import (
	"cmp"
	"container/heap"
	"time"
)

// deadline is when a key is due.
type deadline struct {
	at  time.Time
	key string
}

// deadlines are a heap of those that keys have, and some that they had before: a key that
// is renewed gets another, and the old one is dropped when its time comes. They are at most
// twice as many as the keys, and some.
type deadlines []deadline

// spareDeadlines is how many deadlines may not hold any more, besides one for each key.
const spareDeadlines = 64

// add adds a deadline that a key of m is about to have.
func (d *deadlines) add(m *Map, next deadline) {
	if len(*d) > 2*len(m.entries)+spareDeadlines {
		d.compact(m)
	}
	heap.Push(d, next)
}

// compact drops those that don't hold any more.
func (d *deadlines) compact(m *Map) {
	*d = (*d)[:0]
	for key, e := range m.entries {
		if !e.deadline.IsZero() {
			*d = append(*d, deadline{e.deadline, key})
		}
	}
	heap.Init(d)
}

// pop drops the earliest.
func (d *deadlines) pop() { heap.Pop(d) }

// Len is part of [heap.Interface], as are the others.
func (d *deadlines) Len() int { return len(*d) }

// Less orders by time, then by key.
func (d *deadlines) Less(i, j int) bool {
	a, b := (*d)[i], (*d)[j]
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.key, b.key)) < 0
}

// Swap exchanges two.
func (d *deadlines) Swap(i, j int) { (*d)[i], (*d)[j] = (*d)[j], (*d)[i] }

// Push adds one at the end.
func (d *deadlines) Push(x any) { *d = append(*d, x.(deadline)) }

// Pop takes the last.
func (d *deadlines) Pop() any {
	last := (*d)[len(*d)-1]
	(*d)[len(*d)-1] = deadline{} // lets go of its key
	*d = (*d)[:len(*d)-1]
	return last
}
