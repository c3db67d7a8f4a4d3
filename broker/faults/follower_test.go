package faults_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// follower is the oracle at a subscriber: it notes what it is told, and fails the test at once if a message doesn't
// continue what it has, or comes twice.
type follower struct {
	t     *testing.T
	topic string
	start broker.Position

	mu    sync.Mutex // guards the rest
	place broker.Position
	data  []string // messages, and "gap REASON"
	seen  map[string]bool
	gaps  []broker.GapReason
}

func follow(t *testing.T, b push.Broker, topic string) *follower {
	t.Helper()
	f := &follower{t: t, topic: topic, seen: map[string]bool{}}
	f.mu.Lock() // a message may come before Subscribe returns
	defer f.mu.Unlock()
	at, err := b.Subscribe(t.Context(), topic, f)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	f.place, f.start = at, at
	return f
}

// Receive takes a message.
func (f *follower) Receive(m *push.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !m.Follows(f.place) {
		f.t.Errorf("%s: %+v (after tag %08x) doesn't continue %+v", f.topic, m.Position, m.PreviousTag, f.place)
	}
	if f.seen[string(m.Data)] {
		f.t.Errorf("%s: %q came twice", f.topic, m.Data)
	}
	f.place = m.Position
	f.data = append(f.data, string(m.Data))
	f.seen[string(m.Data)] = true
}

// Break takes a gap.
func (f *follower) Break(gap broker.Gap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.place = gap.Now
	f.data = append(f.data, "gap "+string(gap.Reason))
	f.gaps = append(f.gaps, gap.Reason)
}

func (f *follower) has(data string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.data, data)
}

// await waits until a message has come.
func (f *follower) await(data string) {
	f.t.Helper()
	await(f.t, f.topic+": message "+data, func() bool { return f.has(data) })
}

// awaitGap waits until the chain was broken.
func (f *follower) awaitGap() {
	f.t.Helper()
	await(f.t, f.topic+": a gap", func() bool { return len(f.wasTold()) > 0 })
}

// wasTold gives the gaps.
func (f *follower) wasTold() []broker.GapReason {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.gaps)
}

// wantNoGap fails if the follower was told of one.
func (f *follower) wantNoGap() {
	f.t.Helper()
	if gaps := f.wasTold(); len(gaps) != 0 {
		f.t.Errorf("%s: gaps %v; nothing was lost", f.topic, gaps)
	}
}

// wantOneGap fails unless the follower was told of one, which is true.
func (f *follower) wantOneGap() {
	f.t.Helper()
	gaps := f.wasTold()
	if len(gaps) != 1 || gaps[0] != broker.GapEpoch && gaps[0] != broker.GapFork {
		f.t.Errorf("%s: gaps %v; one is true, for the epoch or the fork", f.topic, gaps)
	}
}

// got gives all that the follower has.
func (f *follower) got() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.data)
}
