package follow

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
)

func at(epoch broker.Epoch, offset uint64) broker.Position {
	return broker.Position{Epoch: epoch, Offset: offset, Tag: uint32(offset)}
}

func TestHighWaterMark(t *testing.T) {
	none := broker.Position{}
	type note struct{ found, carried broker.Position }
	tests := []struct {
		name  string
		notes []note
		want  broker.Position
		ended broker.Epoch
	}{
		{"the highest", []note{{at(1, 5), none}, {at(1, 7), none}, {at(1, 6), none}}, at(1, 7), 0},
		{"a new epoch", []note{{at(1, 5), none}, {at(2, 1), at(1, 5)}}, at(2, 1), 1},
		{"late news of the old epoch", []note{{at(1, 5), none}, {at(2, 1), at(1, 5)}, {at(1, 9), at(1, 5)}}, at(2, 1), 1},
		{"late news of an epoch never known", []note{{at(2, 1), none}, {at(1, 9), none}}, at(2, 1), 0},
		{"back in the old epoch", []note{{at(1, 5), none}, {at(2, 1), at(1, 5)}, {at(1, 4), at(2, 1)}}, at(1, 4), 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := highWaterMarks{life: time.Hour}
			for _, n := range test.notes {
				w.note("a", n.found, n.carried)
			}
			if got := w.of("a"); got != (HighWater{test.want, test.ended}) {
				t.Errorf("got %+v, want %+v after epoch %v", got, test.want, test.ended)
			}
		})
	}
}

// TestOldMarkProvesNothing: the head may have expired meanwhile, and another history begun
// in the same epoch.
func TestOldMarkProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := highWaterMarks{life: time.Hour}
		w.follow("a")
		for range 3 {
			w.note("a", at(1, 5), broker.Position{})
			time.Sleep(50 * time.Minute)
			if w.of("a").IsZero() {
				t.Error("a mark that was confirmed is forgotten")
			}
			w.unfollow("a")
		}
		w.follow("a")
		time.Sleep(11 * time.Minute)
		if got := w.of("a"); !got.IsZero() {
			t.Errorf("after an hour there is %+v", got)
		}
		w.note("a", at(1, 2), broker.Position{})
		if got := w.of("a"); got != (HighWater{at(1, 2), 0}) {
			t.Errorf("what is stored now is noted as %+v", got)
		}
	})
}

func TestMarksAreBounded(t *testing.T) {
	w := highWaterMarks{life: time.Hour}
	w.follow("followed")
	w.note("followed", at(1, 1), at(1, 1)) // a live message
	for i := range 3 * maxUnfollowed {
		w.note(fmt.Sprint(i), at(1, 1), broker.Position{})
	}
	if n := len(w.newest) + len(w.older); n > maxUnfollowed {
		t.Errorf("%d are remembered", n)
	}
	if w.of(fmt.Sprint(3*maxUnfollowed - 1)).IsZero() {
		t.Error("the newest is forgotten")
	}
	if w.of("followed").IsZero() {
		t.Error("the mark of a followed topic is forgotten")
	}
	w.unfollow("followed")
	if w.of("followed").IsZero() || len(w.followed) != 0 {
		t.Error("a topic that isn't followed any more should be kept with the others")
	}
}
