package brokertest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// testCost has clients ask for whatever comes to their minds, from places that aren't real.
// What is then left of it is nothing, and what is published later still reaches those who
// were there.
func testCost(t *testing.T, newBroker New, cost Cost) {
	const madeUp = 1000
	b := open(t, newBroker, Config{})
	publish(t, b, text("real", "1"))
	kept, at := subscribe(t, b, "real")
	keptToo, before := subscribe(t, b, "quiet")
	ask := func(topic string) {
		t.Helper()
		r, place := subscribe(t, b, topic)
		for _, after := range []push.Position{
			place, at, {}, {Epoch: place.Epoch, Offset: 1, Tag: 1}, {Epoch: place.Epoch ^ 1}, {Epoch: 1, Offset: push.MaxOffset},
		} {
			page := since(t, b, topic, after, push.Limit{})
			if (page.Gap == "") != (after == place) || page.Head != place || len(page.Messages) > 0 {
				t.Fatalf("since %+v of %q: %+v", after, topic, page)
			}
		}
		if page := recent(t, b, topic, 10); page.Head != place || len(page.Messages) > 0 {
			t.Fatalf("recent of %q: %+v", topic, page)
		}
		b.Unsubscribe(topic, r)
	}
	first := cost(t, b)
	for i := range madeUp {
		ask(fmt.Sprint("made up/", i))
	}
	var last map[string]int // what is unsubscribed may go a moment later
	defer func() {
		if t.Failed() {
			t.Logf("it costs %v, before it was %v", last, first)
		}
	}()
	testaid.Eventually(t, "the cost of before", func() bool {
		last = cost(t, b)
		return maps.Equal(first, last)
	})

	publish(t, b, text("quiet", "1"))
	if m := keptToo.next(&before); string(m.Data) != "1" {
		t.Errorf("got %q", m.Data)
	}
	publish(t, b, text("real", "2"))
	kept.next(&at)
}
