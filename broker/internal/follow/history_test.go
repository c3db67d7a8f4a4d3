package follow

import (
	"context"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// scriptedStore answers one read after the other.
type scriptedStore struct {
	StorePort
	pages []push.Page
}

func (s *scriptedStore) Channel(topic string) string             { return topic }
func (s *scriptedStore) Genesis(context.Context) (string, error) { return "g", nil }
func (s *scriptedStore) Close(context.Context) error             { return nil }

func (s *scriptedStore) Read(_ context.Context, _ string, q Query, _ HighWater, _ Origin) (push.Page, error) {
	page := s.pages[0]
	s.pages = s.pages[1:]
	if page.Gap = gapTo(page, q.After); q.Newest {
		page.Gap = ""
	}
	if page.Gap != "" {
		page.Messages = nil
	}
	return page, nil
}

// gapTo is what a store answers to a position before or at the head of a page, all of
// whose tags are as at makes them.
func gapTo(page push.Page, after broker.Position) broker.GapReason {
	switch {
	case after.Epoch != page.Head.Epoch:
		return broker.GapEpoch
	case after.Offset > page.Head.Offset:
		return broker.GapFork
	default:
		return ""
	}
}

// page has the messages from one offset to another, of which the last is the head.
func page(epoch broker.Epoch, from, to uint64) push.Page {
	p := push.Page{Head: at(epoch, to)}
	for offset := from; offset <= to; offset++ {
		p.Messages = append(p.Messages, &push.Message{Position: at(epoch, offset), PreviousTag: uint32(offset - 1)})
	}
	return p
}

// TestReadingOnFromALostEpoch has a store whose epoch changes before, between and
// after reads.
func TestReadingOnFromALostEpoch(t *testing.T) {
	position := at(1, 5)
	tests := []struct {
		name    string
		pages   []push.Page
		gap     broker.GapReason
		offsets []uint64
	}{
		{"a new epoch", []push.Page{page(2, 1, 2), page(2, 1, 2)}, broker.GapEpoch, []uint64{1, 2}},
		{"the old one is back", []push.Page{page(2, 1, 2), page(1, 1, 6), page(1, 6, 6)}, "", []uint64{6}},
		{"the old one is back, without the position", []push.Page{page(2, 1, 2), page(1, 1, 3), page(1, 1, 3)}, broker.GapFork, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := New(&scriptedStore{pages: test.pages}, Options{})
			defer b.cancel()
			b.marks.note("a", position, broker.Position{})
			got, err := b.from(t.Context(), "a", position, broker.Position{})
			if err != nil || got.Gap != test.gap || len(got.Messages) != len(test.offsets) {
				t.Fatalf("got %+v, %v", got, err)
			}
			for i, offset := range test.offsets {
				if got.Messages[i].Offset != offset {
					t.Errorf("number %d is %d, want %d", i, got.Messages[i].Offset, offset)
				}
			}
		})
	}
}
