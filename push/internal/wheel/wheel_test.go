package wheel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// entry is an entry of the wheels of these tests.
type entry struct{ timing Timing }

// newWheel is a wheel at the beginning of its clock.
func newWheel() *Wheel[entry] {
	return New(func(e *entry) *Timing { return &e.timing }, func(*entry) {})
}

// namesOf tells how often each of the entries is among those that are due.
func namesOf(due []*entry, entries []*entry) string {
	numbers := map[*entry]int{}
	for i, e := range entries {
		numbers[e] = i
	}
	seen := make([]int, len(entries))
	for _, e := range due {
		seen[numbers[e]]++
	}
	return fmt.Sprint(seen)
}

// stopped keeps a wheel from turning by itself: the test turns it.
func stopped(w *Wheel[entry]) *Wheel[entry] {
	w.timer = time.AfterFunc(1000*time.Hour, func() {})
	return w
}

// TestWheelIsNeverEarly: an entry is due once, at its tick or at most one later,
// however far away that is, and whatever else is in its slot.
func TestWheelIsNeverEarly(t *testing.T) {
	const turn = slotCount * Tick
	ats := []time.Duration{
		0, 1, Tick - 1, Tick, Tick + 1, 5 * Tick,
		turn - Tick, turn, turn + 1, turn + 5*Tick, 3*turn + 5*Tick,
	}
	synctest.Test(t, func(t *testing.T) {
		w := stopped(newWheel())
		defer func() { w.timer.Stop() }()
		entries := make([]*entry, len(ats))
		for i, at := range ats {
			entries[i] = &entry{}
			w.Set(entries[i], at)
			w.timer.Stop()
		}
		dueAt := make([]time.Duration, len(ats))
		for w.Now() < 4*turn {
			time.Sleep(Tick)
			for _, e := range w.takeDue() {
				for i := range entries {
					if entries[i] != e {
						continue
					}
					if dueAt[i] != 0 {
						t.Errorf("what is due at %v is due twice", ats[i])
					}
					dueAt[i] = w.Now()
				}
			}
		}
		for i, at := range ats {
			if late := dueAt[i] - at; late < 0 || late > Tick {
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
	for _, sleeps := range []time.Duration{3 * Tick, slotCount * Tick, 5*slotCount*Tick + Tick} {
		synctest.Test(t, func(t *testing.T) {
			w := stopped(newWheel())
			entries := []*entry{{}, {}, {}, {}}
			for i, at := range []time.Duration{Tick, sleeps, sleeps + Tick, sleeps + slotCount*Tick} {
				w.Set(entries[i], at)
				w.timer.Stop()
			}
			time.Sleep(sleeps)
			if got := namesOf(w.takeDue(), entries); got != "[1 1 0 0]" {
				t.Errorf("due after %v: %s", sleeps, got)
			}
			if got := namesOf(w.takeDue(), entries); got != "[0 0 0 0]" {
				t.Errorf("due again after %v: %s", sleeps, got)
			}
			time.Sleep(Tick)
			if got := namesOf(w.takeDue(), entries); got != "[0 0 1 0]" {
				t.Errorf("due a tick later: %s", got)
			}
			w.Remove(entries[3])
		})
	}
}

// TestWheelKeepsItsBooks sets, moves and takes out entries at random, and compares with
// a plain table.
func TestWheelKeepsItsBooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		w := stopped(newWheel())
		entries := make([]*entry, 50)
		for i := range entries {
			entries[i] = &entry{}
		}
		want := map[*entry]time.Duration{}
		for range 5000 {
			e := entries[random.IntN(len(entries))]
			switch random.IntN(4) {
			case 0, 1:
				at := w.Now() + time.Duration(random.IntN(2*slotCount))*Tick
				w.Set(e, at)
				w.timer.Stop()
				want[e] = max(at, w.Now()+Tick)
			case 2:
				w.Remove(e)
				delete(want, e)
			case 3:
				time.Sleep(time.Duration(random.IntN(20)) * Tick)
				for _, e := range w.takeDue() {
					if at, ok := want[e]; !ok || at > w.Now() {
						t.Fatalf("looked at at %v, due at %v", w.Now(), at)
					}
					delete(want, e)
				}
				for _, at := range want {
					if at <= w.Now() {
						t.Fatalf("at %v what was due at %v isn't looked at", w.Now(), at)
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
		first, second := &entry{}, &entry{}
		for _, step := range []struct {
			what string
			do   func()
			next time.Duration
		}{
			{"the first", func() { w.Set(first, 10*Tick) }, 10 * Tick},
			{"a later one", func() { w.Set(second, 20*Tick) }, 10 * Tick},
			{"an earlier one", func() { w.Set(second, 5*Tick) }, 5 * Tick},
			{"all again, from none", func() { w.Remove(first); w.Remove(second); w.Set(first, 30*Tick) }, 30 * Tick},
		} {
			step.do()
			if got := time.Duration(w.next) * Tick; got != step.next {
				t.Errorf("%s: it waits for %v, want %v", step.what, got, step.next)
			}
		}
		w.Remove(first)
		w.Remove(first) // who isn't in it isn't taken out
		if w.timer.Stop() || w.count != 0 {
			t.Errorf("the timer of an empty wheel runs, or %d are left", w.count)
		}
	})
}

// TestWheelCallsWhatIsDue: by itself, and again if the call says when.
func TestWheelCallsWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *Wheel[entry]
		var calls []time.Duration
		w = New(func(e *entry) *Timing { return &e.timing }, func(e *entry) {
			calls = append(calls, w.Now())
			if len(calls) < 3 {
				w.Set(e, w.Now()+time.Minute)
			}
		})
		w.Set(&entry{}, time.Second)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := fmt.Sprint(calls); got != "[1s 1m1s 2m1s]" {
			t.Errorf("called at %s", got)
		}
	})
}
