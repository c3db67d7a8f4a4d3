package session

import (
	"math"
	"slices"
	"sync"
	"time"
)

// wheel is the one timer of all sessions: their heartbeats and deadlines, in slots
// of wheelTick. What is due is looked at up to one tick late, and never early. While
// no session is in it there is no timer either.
type wheel struct {
	born time.Time // when the hub's clock began

	mu    sync.Mutex // guards the rest, and each session's timing; innermost
	slots [wheelSlots][]*Session
	count int
	past  int64 // the last tick that was looked at
	next  int64 // the tick that the timer waits for
	timer *time.Timer
}

const (
	wheelTick  = 100 * time.Millisecond
	wheelSlots = 512 // what is due later than that many ticks is looked at once a turn
)

// now is the hub's clock.
func (w *wheel) now() time.Duration { return time.Since(w.born) }

// set puts a session into the wheel, to be looked at when the clock has come there.
func (w *wheel) set(s *Session, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(s)
	tick := min(max(int64((at+wheelTick-1)/wheelTick), w.past+1), math.MaxUint32)
	slot := &w.slots[tick%wheelSlots]
	s.timing = timing{uint32(tick), uint32(len(*slot))}
	*slot = append(*slot, s)
	w.count++
	if w.count == 1 || tick < w.next {
		w.wait(tick)
	}
}

// remove takes a session out of the wheel, if it is in there.
func (w *wheel) remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(s)
	if w.count == 0 && w.timer != nil {
		w.timer.Stop()
	}
}

// turn looks at the sessions that are due.
func (w *wheel) turn() {
	for _, s := range w.due() {
		s.look()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == 0 {
		return
	}
	tick := w.past + 1
	for len(w.slots[tick%wheelSlots]) == 0 {
		tick++
	}
	w.wait(tick)
}

// due takes out the sessions of the ticks that have passed.
func (w *wheel) due() []*Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := int64(w.now() / wheelTick)
	var due []*Session
	for tick := max(w.past, now-wheelSlots) + 1; tick <= now; tick++ {
		slot := &w.slots[tick%wheelSlots]
		for _, s := range slices.Backward(*slot) { // the last takes the place of one that is taken out
			if int64(s.timing.tick) <= now {
				w.take(s)
				due = append(due, s)
			}
		}
	}
	w.past = max(w.past, now)
	return due
}

// The methods below are called with w.mu held.

// take takes a session out of its slot, if it is in one.
func (w *wheel) take(s *Session) {
	if s.timing.tick == 0 {
		return
	}
	slot := &w.slots[s.timing.tick%wheelSlots]
	last := len(*slot) - 1
	moved := (*slot)[last]
	(*slot)[s.timing.index] = moved
	moved.timing.index = s.timing.index
	(*slot)[last] = nil
	*slot = (*slot)[:last]
	s.timing = timing{}
	w.count--
}

// wait arms the timer.
func (w *wheel) wait(tick int64) {
	w.next = tick
	d := time.Duration(tick)*wheelTick - w.now()
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.turn)
		return
	}
	w.timer.Reset(d)
}
