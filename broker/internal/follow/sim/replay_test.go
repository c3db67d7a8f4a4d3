package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// story is what became of a schedule: all that clients saw, and when.
func story(t *testing.T, s schedule) string {
	var b strings.Builder
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s)
		w.run(s.Steps)
		for _, c := range w.clients {
			for _, topic := range c.topics {
				fmt.Fprintln(&b, c.name, topic)
				for _, m := range c.views[topic].moves {
					fmt.Fprintln(&b, m.at.Sub(w.begun), m.to, m.gap)
				}
			}
		}
		b.WriteString(w.failed())
	})
	return b.String()
}

// TestScheduleTellsTheSameStory runs schedules again: what happens, and when, to the
// nanosecond, comes from what was drawn. What isn't drawn is which of two goroutines
// goes first that could both go on. With one topic, and nothing that lets many go on
// at once, that hardly ever matters; most schedules must tell the same twice.
func TestScheduleTellsTheSameStory(t *testing.T) {
	crowds := []kind{restart, kill, freeze, failBefore, failAfter, stall}
	draw := schedules("")
	const all = 30
	same := 0
	for seed := range all {
		s := draw.Example(seed)
		s.Topics = 1
		s.Steps = slices.DeleteFunc(s.Steps, func(s step) bool { return slices.Contains(crowds, s.Kind) })
		if first := story(t, s); story(t, s) == first {
			same++
		}
	}
	t.Logf("%d of %d schedules told the same twice", same, all)
	if same < all*2/3 {
		t.Errorf("only %d of %d schedules told the same twice", same, all)
	}
}
