package brokertest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/testaid"
)

// testCost asks for many topics that nobody publishes to, from positions that aren't
// real. Nothing of that stays, and subscribers that were there before still receive what
// is published later. Each instance follows something throughout, so that it stays
// connected.
func testCost(t testing.TB, s setup) {
	const madeUp = 1000
	backend, brokers := s.several(t, Options{})
	b := spreadOver(brokers)
	publish(t, b, text("real", "1"))
	kept, at := subscribe(t, b, "real")
	quiet := make([]*collector, len(brokers))
	before := make([]broker.Position, len(brokers))
	for i, b := range brokers {
		quiet[i], before[i] = subscribe(t, b, "quiet")
	}
	ask := func(topic string) {
		t.Helper()
		r, position := subscribe(t, b, topic)
		for _, after := range []broker.Position{
			position, at, {}, {Epoch: position.Epoch, Offset: 1, Tag: 1}, {Epoch: position.Epoch ^ 1}, {Epoch: 1, Offset: broker.MaxOffset},
		} {
			page := since(t, b, topic, after, broker.Limit{})
			if (page.Gap == "") != (after == position) || page.Head != position || len(page.Messages) > 0 {
				t.Fatalf("since %+v of %q: %+v", after, topic, page)
			}
		}
		if page := recent(t, b, topic, 10); page.Head != position || len(page.Messages) > 0 {
			t.Fatalf("recent of %q: %+v", topic, page)
		}
		b.Unsubscribe(topic, r)
	}
	first := backend.Cost(t)
	for i := range madeUp {
		ask(fmt.Sprint("made up/", i))
	}
	var last map[string]int // a subscription may end a moment after Unsubscribe
	defer func() {
		if t.Failed() {
			t.Logf("it costs %v, before it was %v", last, first)
		}
	}()
	testaid.Eventually(t, "the cost of before", func() bool {
		last = backend.Cost(t)
		return maps.Equal(first, last)
	})

	publish(t, b, text("quiet", "1"))
	for i, c := range quiet {
		if m := c.next(&before[i]); string(m.Data) != "1" {
			t.Errorf("instance %d got %q", i, m.Data)
		}
	}
	publish(t, b, text("real", "2"))
	kept.next(&at)
}
