package brokertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// fill publishes n messages "1" to "n" and returns the positions 0 to n.
func fill(t testing.TB, b push.Broker, topic string, n int) []broker.Position {
	t.Helper()
	positions := []broker.Position{recent(t, b, topic, 0).Head}
	for i := range n {
		positions = append(positions, publish(t, b, text(topic, fmt.Sprint(i+1))).Position)
	}
	return positions
}

// wantMessages fails unless the page has the messages first to last.
func wantMessages(t testing.TB, page push.Page, first, last int) {
	t.Helper()
	var got []string
	for _, m := range page.Messages {
		got = append(got, string(m.Data))
	}
	var want []string
	for i := first; i <= last; i++ {
		want = append(want, fmt.Sprint(i))
	}
	if page.Gap != "" || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, gap %q; want %v", got, page.Gap, want)
	}
}

// sizeAfter is the size of the message after a position of topic a.
func sizeAfter(t testing.TB, b push.Broker, after broker.Position) int {
	t.Helper()
	page := since(t, b, "a", after, broker.Limit{Messages: 1})
	if len(page.Messages) != 1 {
		t.Fatalf("after %+v: %+v, want one message", after, page)
	}
	return page.Messages[0].Size()
}

func testSince(t testing.TB, s setup) {
	b := s.open(t, Options{})
	positions := fill(t, b, "a", 10)
	for i, p := range positions {
		page := since(t, b, "a", p, broker.Limit{})
		wantMessages(t, page, i+1, 10)
		if page.Head != positions[10] {
			t.Errorf("head %+v, want %+v", page.Head, positions[10])
		}
	}
}

func testSinceLimits(t testing.TB, s setup) {
	b := s.open(t, Options{})
	positions := fill(t, b, "a", 10)
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Messages: 3}), 3, 5)
	wantMessages(t, since(t, b, "a", positions[8], broker.Limit{Messages: 3}), 9, 10)
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Bytes: 1}), 3, 3)
	size := sizeAfter(t, b, positions[2])
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Bytes: 2 * size}), 3, 4)
}

func testSinceLeast(t testing.TB, s setup) {
	b := s.open(t, Options{})
	positions := fill(t, b, "a", 10)
	size := sizeAfter(t, b, positions[2])
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Bytes: 3 * size, Least: 4}), 1, 0)
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Bytes: 3 * size, Least: 3}), 3, 5)
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Bytes: 3 * size, Least: 2}), 3, 5)
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Bytes: 1, Least: 1}), 1, 0)
	wantMessages(t, since(t, b, "a", positions[8], broker.Limit{Bytes: 100 * size, Least: 3}), 9, 10)
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Messages: 3, Bytes: 3 * size, Least: 4}), 3, 5)
	wantMessages(t, since(t, b, "a", positions[2], broker.Limit{Messages: 3, Least: 2}), 3, 5)
	wantMessages(t, since(t, b, "a", positions[10], broker.Limit{Least: 2}), 1, 0)
}

func testSinceGaps(t testing.TB, s setup) {
	b := s.open(t, Options{})
	positions := fill(t, b, "a", 5)
	change := func(p broker.Position, by func(*broker.Position)) broker.Position {
		by(&p)
		return p
	}
	tests := []struct {
		name  string
		after broker.Position
		want  broker.GapReason
	}{
		{"no position", broker.Position{}, broker.GapEpoch},
		{"another epoch", change(positions[3], func(p *broker.Position) { p.Epoch ^= 1 }), broker.GapEpoch},
		{"another tag", change(positions[3], func(p *broker.Position) { p.Tag ^= 1 }), broker.GapFork},
		{"another tag at the head", change(positions[5], func(p *broker.Position) { p.Tag ^= 1 }), broker.GapFork},
		{"another tag at the start", change(positions[0], func(p *broker.Position) { p.Tag ^= 1 }), broker.GapFork},
		{"not there yet", change(positions[5], func(p *broker.Position) { p.Offset++ }), broker.GapFork},
		{"largest offset", change(positions[5], func(p *broker.Position) { p.Offset = broker.MaxOffset }), broker.GapFork},
	}
	for _, test := range tests {
		page := since(t, b, "a", test.after, broker.Limit{})
		if page.Gap != test.want || len(page.Messages) != 0 || page.Head != positions[5] {
			t.Errorf("%s: got %+v, want gap %q", test.name, page, test.want)
		}
	}
}

func testTrimmed(t testing.TB, s setup) {
	b := s.open(t, Options{History: broker.History{Messages: 4}})
	positions := fill(t, b, "a", 10)
	for i, p := range positions {
		page := since(t, b, "a", p, broker.Limit{})
		if i < 6 {
			if page.Gap != broker.GapTrimmed || len(page.Messages) != 0 {
				t.Errorf("since %d: %+v, want a gap", i, page)
			}
			continue
		}
		wantMessages(t, page, i+1, 10)
	}
	forked := positions[6]
	forked.Tag ^= 1
	if page := since(t, b, "a", forked, broker.Limit{}); page.Gap != broker.GapFork {
		t.Errorf("another tag right before the oldest: %+v", page)
	}
	wantMessages(t, recent(t, b, "a", 100), 7, 10)
}

func testHistoryBytes(t testing.TB, s setup) {
	b := s.open(t, Options{History: broker.History{Bytes: 10_000}})
	for range 10 {
		publish(t, b, text("a", strings.Repeat("x", 3000)))
	}
	size, page := 0, recent(t, b, "a", 100)
	for _, m := range page.Messages {
		size += m.Size()
	}
	if n := len(page.Messages); n < 2 || size > 10_000 {
		t.Errorf("history has %d messages of %d bytes", n, size)
	}
	publish(t, b, text("a", strings.Repeat("x", 20_000)))
	if page := recent(t, b, "a", 100); len(page.Messages) != 1 {
		t.Errorf("a message over the bound leaves %d messages, want itself", len(page.Messages))
	}
}

func testHistoryWithoutBounds(t testing.TB, s setup) {
	b := s.open(t, Options{History: broker.History{Messages: -1, Bytes: -1, Age: -1}})
	fill(t, b, "a", 1200)
	if page := recent(t, b, "a", 2000); len(page.Messages) != 1200 {
		t.Errorf("%d messages are kept", len(page.Messages))
	}
}

func testHistoryAge(t testing.TB, s setup) {
	b := s.open(t, Options{History: broker.History{Age: 50 * time.Millisecond}})
	positions := fill(t, b, "a", 3)
	testaid.Eventually(t, "the end of old messages", func() bool {
		page := recent(t, b, "a", 10)
		if page.Head != positions[3] {
			t.Errorf("head %+v, want %+v", page.Head, positions[3])
		}
		return len(page.Messages) == 0
	})
	if page := since(t, b, "a", positions[1], broker.Limit{}); page.Gap != broker.GapTrimmed {
		t.Errorf("since an expired message: %+v", page)
	}
	wantMessages(t, since(t, b, "a", positions[3], broker.Limit{}), 1, 0)
	if p := publish(t, b, text("a", "4")).Position; p.Epoch != positions[3].Epoch || p.Offset != 4 {
		t.Errorf("the next message is at %+v", p)
	}
	wantMessages(t, since(t, b, "a", positions[3], broker.Limit{}), 4, 4)
}

func testRecent(t testing.TB, s setup) {
	b := s.open(t, Options{})
	positions := fill(t, b, "a", 5)
	wantMessages(t, recent(t, b, "a", 0), 1, 0)
	wantMessages(t, recent(t, b, "a", 2), 4, 5)
	wantMessages(t, recent(t, b, "a", 100), 1, 5)
	if head := recent(t, b, "a", 2).Head; head != positions[5] {
		t.Errorf("head %+v, want %+v", head, positions[5])
	}
	size := sizeAfter(t, b, positions[4])
	for bytes, first := range map[int]int{1: 6, size: 5, 2*size - 1: 5, 2 * size: 4, 100 * size: 3} {
		page, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 3, Bytes: bytes})
		if err != nil || page.Head != positions[5] {
			t.Errorf("within %d bytes: head %+v, %v", bytes, page.Head, err)
		}
		wantMessages(t, page, first, 5)
	}
}

func testEmptyTopic(t testing.TB, s setup) {
	b := s.open(t, Options{})
	head := recent(t, b, "a", 10).Head
	if head.Epoch == 0 || head.Offset != 0 || head.Tag != 0 {
		t.Errorf("head %+v", head)
	}
	_, at := subscribe(t, b, "a")
	if at != head || recent(t, b, "a", 0).Head != head {
		t.Errorf("subscribed at %+v, head was %+v", at, head)
	}
	wantMessages(t, since(t, b, "a", head, broker.Limit{}), 1, 0)
	publish(t, b, text("a", "1"))
	wantMessages(t, since(t, b, "a", head, broker.Limit{}), 1, 1)
	if first := newest(t, b, "a"); !first.Follows(at) {
		t.Errorf("the first message is %+v after %+v", first, at)
	}
}
