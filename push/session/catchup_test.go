package session

import (
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// TestOutOfReach: without asking the broker it is known that some places can't be
// replayed from.
func TestOutOfReach(t *testing.T) {
	f := &feed{topic: "a", hub: &Host{options: push.Options{ReplayMessages: 10, ReplayBytes: 1 << 20}}}
	fork, newer := at(20), at(3)
	fork.Tag++
	newer.Epoch++
	for _, tt := range []struct {
		name    string
		from    From
		since   broker.Position
		want    broker.GapReason
		isAhead bool
	}{
		{"no place", FromCursor, broker.Position{}, broker.GapUnknownCursor, true},
		{"a place far back", FromCursor, at(9), broker.GapTooMany, false},
		{"the furthest that may be", FromCursor, at(10), "", false},
		{"the last but one", FromCursor, at(19), "", false},
		{"another message in place of the head", FromCursor, fork, broker.GapFork, false},
		{"ahead of this instance", FromCursor, at(21), "", true},
		{"of another epoch", FromCursor, newer, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &catchUp{feed: f, from: tt.from, since: tt.since, head: at(20)}
			if got := c.outOfReach(); got != tt.want {
				t.Errorf("out of reach: %q, want %q", got, tt.want)
			}
			if got := c.isAhead(); got != tt.isAhead {
				t.Errorf("ahead: %v", got)
			}
			if c.start() != tt.since {
				t.Errorf("it starts at %v", c.start())
			}
		})
	}
	now := &catchUp{feed: f, from: FromNow, head: at(20)}
	if now.start() != at(20) || now.isAhead() {
		t.Error("a client without a place starts at the head")
	}
}

// TestMissedInAWindow: a window says what a client missed, that it can't be had, or
// nothing.
func TestMissedInAWindow(t *testing.T) {
	size := chainOf(at(1), 1)[0].Size()
	w := keptWindow(t, at(5), chainOf(at(5), 5))
	fork := at(7)
	fork.Tag++
	for _, tt := range []struct {
		name        string
		since, head broker.Position
		bytes       int
		missed      string
		gap         broker.GapReason
		ok          bool
	}{
		{"some of it", at(6), at(8), 10 * size, "[7 8]", "", true},
		{"all of it, just within the bound", at(5), at(10), 5 * size, "[6 7 8 9 10]", "", true},
		{"more than the bound", at(5), at(10), 5*size - 1, "[]", broker.GapTooMany, true},
		{"from before it", at(4), at(8), 10 * size, "[]", "", false},
		{"up to behind it", at(6), at(11), 10 * size, "[]", "", false},
		{"from a fork", fork, at(8), 10 * size, "[]", "", false},
		{"ahead of this instance, at a real place", at(8), at(6), 10 * size, "[]", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &feed{topic: "a", hub: &Host{options: push.Options{ReplayMessages: 10, ReplayBytes: tt.bytes}}}
			c := &catchUp{feed: f, from: FromCursor, since: tt.since, head: tt.head}
			missed, gap, ok := c.missedIn(w)
			if ok != tt.ok || offsets(missed) != tt.missed {
				t.Errorf("missed %s, %v; want %s, %v", offsets(missed), ok, tt.missed, tt.ok)
			}
			if ok && tt.gap == "" && missed == nil {
				t.Error("nothing was missed, which looks as if nothing were known")
			}
			if (gap == nil) != (tt.gap == "") || gap != nil && *gap != (broker.Gap{Topic: "a", Reason: tt.gap, Last: tt.since, Now: tt.head}) {
				t.Errorf("the gap is %+v, want %q", gap, tt.gap)
			}
		})
	}
}
