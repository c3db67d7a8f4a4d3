package redisbroker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

func at(epoch push.Epoch, offset uint64) push.Position {
	return push.Position{Epoch: epoch, Offset: offset, Tag: uint32(offset)}
}

func TestWitness(t *testing.T) {
	none := push.Position{}
	type note struct{ found, carried push.Position }
	tests := []struct {
		name  string
		notes []note
		want  push.Position
		left  push.Epoch
	}{
		{"the highest", []note{{at(1, 5), none}, {at(1, 7), none}, {at(1, 6), none}}, at(1, 7), 0},
		{"a new epoch", []note{{at(1, 5), none}, {at(2, 1), at(1, 5)}}, at(2, 1), 1},
		{"late news of the old epoch", []note{{at(1, 5), none}, {at(2, 1), at(1, 5)}, {at(1, 9), at(1, 5)}}, at(2, 1), 1},
		{"late news of an epoch never known", []note{{at(2, 1), none}, {at(1, 9), none}}, at(2, 1), 0},
		{"back in the old epoch", []note{{at(1, 5), none}, {at(2, 1), at(1, 5)}, {at(1, 4), at(2, 1)}}, at(1, 4), 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := witnesses{life: time.Hour}
			for _, n := range test.notes {
				w.note("a", n.found, n.carried)
			}
			if got := w.at("a"); got != (witness{test.want, test.left}) {
				t.Errorf("got %+v, want %+v after epoch %v", got, test.want, test.left)
			}
		})
	}
}

// TestWitnessOfLongAgoProvesNothing: the head may have gone meanwhile, and another history
// begun in the same epoch.
func TestWitnessOfLongAgoProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := witnesses{life: time.Hour}
		w.follow("a")
		for range 3 {
			w.note("a", at(1, 5), push.Position{})
			time.Sleep(50 * time.Minute)
			if w.at("a").IsZero() {
				t.Error("a witness that was seen to be right is forgotten")
			}
			w.unfollow("a")
		}
		w.follow("a")
		time.Sleep(11 * time.Minute)
		if got := w.at("a"); !got.IsZero() {
			t.Errorf("after an hour there is %+v", got)
		}
		w.note("a", at(1, 2), push.Position{})
		if got := w.at("a"); got != (witness{at(1, 2), 0}) {
			t.Errorf("what is right now is noted as %+v", got)
		}
	})
}

func TestWitnessesAreBounded(t *testing.T) {
	w := witnesses{life: time.Hour}
	w.follow("followed")
	w.note("followed", at(1, 1), at(1, 1)) // a live message
	for i := range 3 * maxWitnesses {
		w.note(fmt.Sprint(i), at(1, 1), push.Position{})
	}
	if n := len(w.newest) + len(w.older); n > maxWitnesses {
		t.Errorf("%d are remembered", n)
	}
	if w.at(fmt.Sprint(3*maxWitnesses - 1)).IsZero() {
		t.Error("the newest is forgotten")
	}
	if w.at("followed").IsZero() {
		t.Error("the witness of a followed topic is forgotten")
	}
	w.unfollow("followed")
	if w.at("followed").IsZero() || len(w.followed) != 0 {
		t.Error("a topic that isn't followed any more should be kept with the others")
	}
}
