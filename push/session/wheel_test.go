package session

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// newWheel is a wheel at the beginning of its clock, whose sessions are looked at by
// the test.
func newWheel() *wheel { return &wheel{born: time.Now()} }

// namesOf tells how often each of the sessions is among those that are due.
func namesOf(due []*Session, sessions []*Session) string {
	numbers := map[*Session]int{}
	for i, s := range sessions {
		numbers[s] = i
	}
	seen := make([]int, len(sessions))
	for _, s := range due {
		seen[numbers[s]]++
	}
	return fmt.Sprint(seen)
}

// stopped keeps a wheel from turning by itself: the test turns it.
func (w *wheel) stopped() *wheel {
	w.timer = time.AfterFunc(forever, func() {})
	return w
}

// TestWheelIsNeverEarly: a session is due once, at its tick or at most one later,
// however far away that is, and whatever else is in its slot.
func TestWheelIsNeverEarly(t *testing.T) {
	const turn = wheelSlots * wheelTick
	ats := []time.Duration{
		0, 1, wheelTick - 1, wheelTick, wheelTick + 1, 5 * wheelTick,
		turn - wheelTick, turn, turn + 1, turn + 5*wheelTick, 3*turn + 5*wheelTick,
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWheel().stopped()
		defer func() { w.timer.Stop() }()
		sessions := make([]*Session, len(ats))
		for i, at := range ats {
			sessions[i] = &Session{}
			w.set(sessions[i], at)
			w.timer.Stop()
		}
		dueAt := make([]time.Duration, len(ats))
		for w.now() < 4*turn {
			time.Sleep(wheelTick)
			for _, s := range w.due() {
				for i := range sessions {
					if sessions[i] != s {
						continue
					}
					if dueAt[i] != 0 {
						t.Errorf("what is due at %v is due twice", ats[i])
					}
					dueAt[i] = w.now()
				}
			}
		}
		for i, at := range ats {
			if late := dueAt[i] - at; late < 0 || late > wheelTick {
				t.Errorf("what is due at %v is looked at after %v", at, dueAt[i])
			}
		}
		if w.count != 0 {
			t.Errorf("%d are left", w.count)
		}
	})
}

// TestWheelThatIsLate: when the machine has slept, all that was due meanwhile is looked at
// once, also over more than a turn.
func TestWheelThatIsLate(t *testing.T) {
	for _, sleeps := range []time.Duration{3 * wheelTick, wheelSlots * wheelTick, 5*wheelSlots*wheelTick + wheelTick} {
		synctest.Test(t, func(t *testing.T) {
			w := newWheel().stopped()
			sessions := []*Session{{}, {}, {}, {}}
			for i, at := range []time.Duration{wheelTick, sleeps, sleeps + wheelTick, sleeps + wheelSlots*wheelTick} {
				w.set(sessions[i], at)
				w.timer.Stop()
			}
			time.Sleep(sleeps)
			if got := namesOf(w.due(), sessions); got != "[1 1 0 0]" {
				t.Errorf("due after %v: %s", sleeps, got)
			}
			if got := namesOf(w.due(), sessions); got != "[0 0 0 0]" {
				t.Errorf("due again after %v: %s", sleeps, got)
			}
			time.Sleep(wheelTick)
			if got := namesOf(w.due(), sessions); got != "[0 0 1 0]" {
				t.Errorf("due a tick later: %s", got)
			}
			w.remove(sessions[3])
		})
	}
}

// TestWheelKeepsItsBooks sets, moves and takes out sessions at random, and compares with
// a plain table.
func TestWheelKeepsItsBooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		w := newWheel().stopped()
		sessions := make([]*Session, 50)
		for i := range sessions {
			sessions[i] = &Session{}
		}
		want := map[*Session]time.Duration{}
		for range 5000 {
			s := sessions[random.IntN(len(sessions))]
			switch random.IntN(4) {
			case 0, 1:
				at := w.now() + time.Duration(random.IntN(2*wheelSlots))*wheelTick
				w.set(s, at)
				w.timer.Stop()
				want[s] = max(at, w.now()+wheelTick)
			case 2:
				w.remove(s)
				delete(want, s)
			case 3:
				time.Sleep(time.Duration(random.IntN(20)) * wheelTick)
				for _, s := range w.due() {
					if at, ok := want[s]; !ok || at > w.now() {
						t.Fatalf("looked at at %v, due at %v", w.now(), at)
					}
					delete(want, s)
				}
				for _, at := range want {
					if at <= w.now() {
						t.Fatalf("at %v what was due at %v isn't looked at", w.now(), at)
					}
				}
			}
			if w.count != len(want) {
				t.Fatalf("%d are in the wheel, want %d", w.count, len(want))
			}
		}
	})
}

// TestWheelHasOneTimer: it waits for what is due first, and for nothing when nothing is.
func TestWheelHasOneTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheel()
		first, second := &Session{}, &Session{}
		for _, step := range []struct {
			what string
			do   func()
			next time.Duration
		}{
			{"the first", func() { w.set(first, 10*wheelTick) }, 10 * wheelTick},
			{"a later one", func() { w.set(second, 20*wheelTick) }, 10 * wheelTick},
			{"an earlier one", func() { w.set(second, 5*wheelTick) }, 5 * wheelTick},
			{"all again, from none", func() { w.remove(first); w.remove(second); w.set(first, 30*wheelTick) }, 30 * wheelTick},
		} {
			step.do()
			if got := time.Duration(w.next) * wheelTick; got != step.next {
				t.Errorf("%s: it waits for %v, want %v", step.what, got, step.next)
			}
		}
		w.remove(first)
		w.remove(first) // who isn't in it isn't taken out
		if w.timer.Stop() || w.count != 0 {
			t.Errorf("the timer of an empty wheel runs, or %d are left", w.count)
		}
	})
}
