// Package wheel is one timer for very many things.
package wheel

import (
	"math"
	"slices"
	"sync"
	"time"
)

// Wheel calls a function for each of its entries when that is due. Entries are in slots of
// one Tick: what is due is called up to one Tick late, and never early. While the wheel is
// empty it has no timer either.
type Wheel[T any] struct {
	// static
	born     time.Time // when the wheel's clock began
	timingOf func(*T) *Timing
	due      func(*T)

	mu    sync.Mutex // guards the rest, and each entry's Timing; innermost
	slots [slotCount][]*T
	count int
	past  int64 // the last tick that was looked at
	next  int64 // the tick that the timer waits for
	timer *time.Timer
}

// Timing is an entry's place in its wheel, a field of the entry that belongs to the wheel.
type Timing struct {
	tick  uint32 // when it is due; 0 if it isn't in the wheel
	index uint32 // in its slot
}

// Tick is how exact a wheel is.
const Tick = 100 * time.Millisecond

const slotCount = 512 // what is due later than that many ticks is looked at once a turn

// New makes an empty wheel, whose clock begins now. timingOf returns an entry's Timing. due
// is called for an entry that is due, which isn't in the wheel any more; it may call Set.
// The next entry waits until it returns.
func New[T any](timingOf func(*T) *Timing, due func(*T)) *Wheel[T] {
	return &Wheel[T]{born: time.Now(), timingOf: timingOf, due: due}
}

// Now is the wheel's clock.
func (w *Wheel[T]) Now() time.Duration { return time.Since(w.born) }

// Set makes an entry due at a time on the wheel's clock, and at no other.
func (w *Wheel[T]) Set(e *T, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(e)
	tick := min(max(int64((at+Tick-1)/Tick), w.past+1), math.MaxUint32)
	slot := &w.slots[tick%slotCount]
	*w.timingOf(e) = Timing{uint32(tick), uint32(len(*slot))}
	*slot = append(*slot, e)
	w.count++
	if w.count == 1 || tick < w.next {
		w.wait(tick)
	}
}

// Remove takes an entry out of the wheel, if it is in there.
func (w *Wheel[T]) Remove(e *T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(e)
	if w.count == 0 && w.timer != nil {
		w.timer.Stop()
	}
}

// turn calls what is due.
func (w *Wheel[T]) turn() {
	for _, e := range w.takeDue() {
		w.due(e)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == 0 {
		return
	}
	tick := w.past + 1
	for len(w.slots[tick%slotCount]) == 0 {
		tick++
	}
	w.wait(tick)
}

// takeDue takes out the entries of the ticks that have passed.
func (w *Wheel[T]) takeDue() []*T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := int64(w.Now() / Tick)
	var due []*T
	for tick := max(w.past, now-slotCount) + 1; tick <= now; tick++ {
		slot := &w.slots[tick%slotCount]
		for _, e := range slices.Backward(*slot) { // the last takes the place of one that is taken out
			if int64(w.timingOf(e).tick) <= now {
				w.take(e)
				due = append(due, e)
			}
		}
	}
	w.past = max(w.past, now)
	return due
}

// The methods below are called with w.mu held.

// take takes an entry out of its slot, if it is in one.
func (w *Wheel[T]) take(e *T) {
	timing := w.timingOf(e)
	if timing.tick == 0 {
		return
	}
	slot := &w.slots[timing.tick%slotCount]
	last := len(*slot) - 1
	moved := (*slot)[last]
	(*slot)[timing.index] = moved
	w.timingOf(moved).index = timing.index
	(*slot)[last] = nil
	*slot = (*slot)[:last]
	*timing = Timing{}
	w.count--
}

// wait arms the timer.
func (w *Wheel[T]) wait(tick int64) {
	w.next = tick
	d := time.Duration(tick)*Tick - w.Now()
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.turn)
		return
	}
	w.timer.Reset(d)
}
