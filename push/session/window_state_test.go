package session

import (
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// chainOf is n messages that follow a place, of which each has the tag 100 + its offset.
func chainOf(after broker.Position, n int) []*push.Message {
	messages := make([]*push.Message, n)
	for i := range messages {
		at := broker.Position{Epoch: after.Epoch, Offset: after.Offset + 1, Tag: uint32(100 + after.Offset + 1)}
		messages[i] = &push.Message{Topic: "a", Data: []byte("x"), Position: at, PreviousTag: after.Tag}
		after = at
	}
	return messages
}

func at(offset uint64) broker.Position {
	return broker.Position{Epoch: 7, Offset: offset, Tag: uint32(100 + offset)}
}

// keptWindow is a window as a feed has it.
func keptWindow(t *testing.T, start broker.Position, messages []*push.Message) *window {
	t.Helper()
	w := newWindow(roomyHub(), start, messages)
	for _, e := range w.messages {
		if !e.keep() {
			t.Fatal("there is no room")
		}
		e.enterWindow()
	}
	return w
}

func offsets(entries []*entry) string {
	got := make([]uint64, len(entries))
	for i, e := range entries {
		got[i] = e.message.Offset
	}
	return fmt.Sprint(got)
}

// TestWindowKnowsItsPlaces: a window contains its start and its messages, by all of their
// position.
func TestWindowKnowsItsPlaces(t *testing.T) {
	w := keptWindow(t, at(5), chainOf(at(5), 3))
	fork, other := at(6), at(6)
	fork.Tag++
	other.Epoch++
	start := at(5)
	start.Tag++
	for _, tt := range []struct {
		name string
		p    broker.Position
		want bool
	}{
		{"before it", at(4), false}, {"its start", at(5), true}, {"its first", at(6), true},
		{"its last", at(8), true}, {"behind it", at(9), false},
		{"a fork of a message", fork, false}, {"a fork of its start", start, false}, {"another epoch", other, false},
		{"nothing", broker.Position{}, false},
	} {
		if got := w.contains(tt.p); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if w.end() != at(8) || (&window{start: at(5)}).end() != at(5) {
		t.Error("wrong ends")
	}
	for _, tt := range []struct {
		after, upTo uint64
		want        string
	}{{5, 8, "[6 7 8]"}, {6, 7, "[7]"}, {8, 8, "[]"}, {5, 5, "[]"}} {
		if got := offsets(w.between(at(tt.after), at(tt.upTo))); got != tt.want {
			t.Errorf("between %d and %d: %s, want %s", tt.after, tt.upTo, got, tt.want)
		}
	}
}

// TestWindowTakesOneChain: what a broker gives is taken as far as each message continues
// the one before.
func TestWindowTakesOneChain(t *testing.T) {
	messages := chainOf(at(5), 4)
	messages[2].PreviousTag++
	w := keptWindow(t, at(5), messages)
	if offsets(w.messages) != "[6 7]" || w.size != 2*messages[0].Size() {
		t.Errorf("took %s of %d bytes", offsets(w.messages), w.size)
	}
}

// TestWindowIsPrepended: what was read is put before a window only if it reaches it.
func TestWindowIsPrepended(t *testing.T) {
	size := chainOf(at(1), 1)[0].Size()
	for _, tt := range []struct {
		name     string
		from     uint64
		messages int
		want     string
	}{
		{"it reaches the start", 3, 2, "[4 5 6 7]"},
		{"it reaches further", 3, 4, "[4 5 6 7]"},
		{"it ends before", 2, 2, "[6 7]"},
		{"it begins at the start", 5, 1, "[6 7]"},
		{"it begins behind it", 6, 1, "[6 7]"},
		{"it is empty", 5, 0, "[6 7]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := keptWindow(t, at(5), chainOf(at(5), 2))
			w.prepend(keptWindow(t, at(tt.from), chainOf(at(tt.from), tt.messages)))
			if got := offsets(w.messages); got != tt.want || w.size != len(w.messages)*size {
				t.Errorf("%s of %d bytes, want %s", got, w.size, tt.want)
			}
			if !w.contains(w.start) || w.start.Offset+uint64(len(w.messages)) != 7 {
				t.Errorf("it starts at %v", w.start)
			}
		})
	}
}

// TestWindowIsTrimmed: the oldest go until both bounds are kept, and the start follows.
func TestWindowIsTrimmed(t *testing.T) {
	size := chainOf(at(1), 1)[0].Size()
	for _, tt := range []struct {
		name  string
		limit broker.Limit
		want  string
	}{
		{"it fits exactly", broker.Limit{Messages: 4, Bytes: 4 * size}, "[6 7 8 9]"},
		{"by number", broker.Limit{Messages: 3, Bytes: 1 << 20}, "[7 8 9]"},
		{"by bytes", broker.Limit{Messages: 100, Bytes: 3*size - 1}, "[8 9]"},
		{"all of it", broker.Limit{Messages: 100, Bytes: size - 1}, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := keptWindow(t, at(5), chainOf(at(5), 4))
			hub := w.messages[0].hub
			w.trim(tt.limit)
			if got := offsets(w.messages); got != tt.want || w.size != len(w.messages)*size || w.end() != at(9) {
				t.Errorf("%s of %d bytes up to %v, want %s", got, w.size, w.end(), tt.want)
			}
			if h := hub; h.windows.Load() != int64(w.size) || h.memory.used.Load() != int64(w.size) {
				t.Errorf("%d bytes are counted for windows, %d for all", h.windows.Load(), h.memory.used.Load())
			}
		})
	}
}
