package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// instanceTests are about what must hold between instances. The tests of a single
// broker, with their calls spread, find the rest.
var instanceTests = []test{
	{"InstancesSeeOneOrder", testInstancesOrder},
	{"RetryElsewhereIsADuplicate", testRetryElsewhere},
	{"RetriesEverywhereAtOnceAreOne", testRetriesEverywhere},
	{"ConflictElsewhereIsRefused", testConflictElsewhere},
	{"HistoryIsTheSameEverywhere", testHistoryEverywhere},
	{"HeadsAndGapsAgree", testHeadsAndGaps},
	{"NewInstanceKnowsWhatWasThere", testNewInstance},
	{"UnsubscribeLeavesOtherInstances", testUnsubscribeLeaves},
}

// closeTests close instances one by one.
var closeTests = []test{
	{"CloseLeavesOtherInstances", testCloseLeaves},
}

// testInstancesOrder runs several publishers on each instance at the same time. All
// subscribers, and the history as each instance reads it, have one order.
func testInstancesOrder(t testing.TB, s setup) {
	const publishers, each = 2, 50
	_, brokers := s.several(t, Options{})
	start := recent(t, brokers[0], "a", 0).Head
	var followers []*collector
	for _, b := range brokers {
		for range 2 {
			c, at := subscribe(t, b, "a")
			if at != start {
				t.Fatalf("subscribed at %+v, want %+v", at, start)
			}
			followers = append(followers, c)
		}
	}
	var publishing sync.WaitGroup
	for _, b := range brokers {
		publishing.Go(func() { publishAtOnce(t, b, "a", publishers, each) })
	}
	publishing.Wait()
	var order []*push.Message
	for i, c := range followers {
		at := start
		for n := range len(brokers) * publishers * each {
			m := c.next(&at)
			if i == 0 {
				order = append(order, m)
			} else if err := difference(m, order[n]); err != nil {
				t.Fatalf("follower %d, number %d: %v", i, n, err)
			}
		}
	}
	for i, b := range brokers {
		wantPage(t, fmt.Sprintf("history by instance %d", i), since(t, b, "a", start, broker.Limit{}), order)
	}
}

func testRetryElsewhere(t testing.TB, s setup) {
	_, brokers := s.several(t, Options{})
	c, at := subscribe(t, brokers[1], "a")
	for i, b := range brokers {
		m := push.Message{Topic: "a", ID: fmt.Sprint("id", i), Data: []byte("x")}
		first := publish(t, b, m)
		for j, other := range brokers {
			again := publish(t, other, m)
			if first.Duplicate || !again.Duplicate || again.Position != first.Position || again.ID != first.ID {
				t.Errorf("first through instance %d %+v, again through %d %+v", i, first, j, again)
			}
		}
		if got := c.next(&at); got.ID != m.ID || got.Position != first.Position {
			t.Errorf("got %q at %+v, want %q at %+v", got.ID, got.Position, m.ID, first.Position)
		}
	}
}

func testRetriesEverywhere(t testing.TB, s setup) {
	_, brokers := s.several(t, Options{})
	for i := range 20 {
		m := push.Message{Topic: "a", ID: fmt.Sprint("id", i), Data: []byte("x")}
		receipts := make([]push.Receipt, 2*len(brokers))
		var wait sync.WaitGroup
		for j := range receipts {
			wait.Go(func() {
				var err error
				if receipts[j], err = brokers[j%len(brokers)].Publish(context.WithoutCancel(t.Context()), m); err != nil {
					t.Errorf("Publish: %v", err)
				}
			})
		}
		wait.Wait()
		originals := 0
		for _, r := range receipts {
			if !r.Duplicate {
				originals++
			}
			if r.Position != receipts[0].Position || r.Position.Offset != uint64(i+1) || r.ID != m.ID {
				t.Errorf("receipts %+v and %+v of message %d", r, receipts[0], i+1)
			}
		}
		if originals != 1 {
			t.Fatalf("%d of %d are the original", originals, len(receipts))
		}
	}
}

func testConflictElsewhere(t testing.TB, s setup) {
	_, brokers := s.several(t, Options{})
	m := push.Message{Topic: "a", ID: "once", Data: []byte("1")}
	first := publish(t, brokers[0], m)
	m.Data = []byte("2")
	for i, b := range brokers {
		if _, err := b.Publish(t.Context(), m); !errors.Is(err, push.CodeConflict) {
			t.Errorf("other data under the same ID through instance %d: %v", i, err)
		}
		if head := recent(t, b, "a", 0).Head; head != first.Position {
			t.Errorf("instance %d is at %+v, want %+v", i, head, first.Position)
		}
	}
}

func testHistoryEverywhere(t testing.TB, s setup) {
	_, brokers := s.several(t, Options{})
	positions := []broker.Position{recent(t, brokers[0], "a", 0).Head}
	for i := range 9 {
		m := push.Message{Topic: "a", Event: "e", Key: fmt.Sprint("key", i), Data: []byte{0, byte(i), 255}, Encoding: push.EncodingBinary}
		if i%2 == 0 {
			m = text("a", fmt.Sprint(i))
			m.ID = fmt.Sprint("id", i)
		}
		positions = append(positions, publish(t, brokers[i%len(brokers)], m).Position)
	}
	all := recent(t, brokers[0], "a", 100).Messages
	if len(all) != 9 {
		t.Fatalf("history has %d messages, want 9", len(all))
	}
	for i, b := range brokers {
		for n, position := range positions {
			wantPage(t, fmt.Sprintf("since %d by instance %d", n, i), since(t, b, "a", position, broker.Limit{}), all[n:])
			wantPage(t, fmt.Sprintf("the newest %d by instance %d", n, i), recent(t, b, "a", n), all[len(all)-n:])
		}
	}
}

func testHeadsAndGaps(t testing.TB, s setup) {
	_, brokers := s.several(t, Options{History: broker.History{Messages: 4}})
	wantHead := func(want broker.Position) {
		t.Helper()
		for i, b := range brokers {
			c, at := subscribe(t, b, "a")
			b.Unsubscribe("a", c)
			if head := recent(t, b, "a", 0).Head; head != want || at != want {
				t.Errorf("instance %d is at %+v and subscribes at %+v, want %+v", i, head, at, want)
			}
		}
	}
	positions := []broker.Position{recent(t, brokers[0], "a", 0).Head}
	wantHead(positions[0]) // before anybody has published
	for i := range 10 {
		positions = append(positions, publish(t, brokers[i%len(brokers)], text("a", fmt.Sprint(i))).Position)
		wantHead(positions[i+1])
	}
	fork, ahead, elsewhere := positions[8], positions[10], positions[8]
	fork.Tag ^= 1
	ahead.Offset++
	elsewhere.Epoch ^= 1
	for position, want := range map[broker.Position]broker.GapReason{
		positions[0]: broker.GapTrimmed, positions[5]: broker.GapTrimmed, positions[6]: "", positions[10]: "",
		fork: broker.GapFork, ahead: broker.GapFork, elsewhere: broker.GapEpoch,
	} {
		for i, b := range brokers {
			if page := since(t, b, "a", position, broker.Limit{}); page.Gap != want || page.Head != positions[10] {
				t.Errorf("instance %d after %+v: gap %q, head %+v; want %q, %+v", i, position, page.Gap, page.Head, want, positions[10])
			}
		}
	}
}

func testNewInstance(t testing.TB, s setup) {
	b, brokers := s.several(t, Options{})
	start := recent(t, brokers[0], "a", 0).Head
	m := push.Message{Topic: "a", ID: "once", Data: []byte("1")}
	first := publish(t, brokers[0], m)
	late := b.instance(t)
	if page := since(t, late, "a", start, broker.Limit{}); page.Gap != "" || len(page.Messages) != 1 || page.Head != first.Position {
		t.Errorf("the new instance has %+v", page)
	}
	if again := publish(t, late, m); !again.Duplicate || again.Position != first.Position {
		t.Errorf("first %+v, again %+v", first, again)
	}
	c, at := subscribe(t, late, "a")
	there, before := subscribe(t, brokers[0], "a")
	publish(t, brokers[0], text("a", "2"))
	publish(t, late, text("a", "3"))
	for _, want := range []string{"2", "3"} {
		if here, old := c.next(&at), there.next(&before); string(here.Data) != want || string(old.Data) != want {
			t.Errorf("got %q and %q, want %q", here.Data, old.Data, want)
		}
	}
}

func testUnsubscribeLeaves(t testing.TB, s setup) {
	_, brokers := s.several(t, Options{})
	gone, _ := subscribe(t, brokers[0], "a")
	left := make([]*collector, len(brokers))
	positions := make([]broker.Position, len(brokers))
	for i, b := range brokers {
		left[i], positions[i] = subscribe(t, b, "a")
	}
	stays, at := subscribe(t, brokers[0], "a")
	goneAt := at
	if brokers[0] != brokers[1] {
		brokers[1].Unsubscribe("a", gone) // where it isn't subscribed
	}
	publish(t, brokers[1], text("a", "1"))
	gone.next(&goneAt)
	left[0].next(&positions[0])
	brokers[0].Unsubscribe("a", gone)
	brokers[0].Unsubscribe("a", left[0])
	publish(t, brokers[0], text("a", "2"))
	publish(t, brokers[1], text("a", "3"))
	for range 3 {
		stays.next(&at)
		for i := range brokers[1:] {
			left[i+1].next(&positions[i+1])
		}
	}
	if gone.waiting() != 0 || left[0].waiting() != 0 {
		t.Error("a message came after Unsubscribe")
	}
	again, err := brokers[0].Subscribe(t.Context(), "a", gone)
	if err != nil || again != at {
		t.Fatalf("subscribing again starts at %+v, %v; want %+v", again, err, at)
	}
	publish(t, brokers[1], text("a", "4"))
	if m := gone.next(&again); string(m.Data) != "4" {
		t.Errorf("after subscribing again: %q", m.Data)
	}
}

// testCloseLeaves closes one instance after the other. The rest go on undisturbed, and
// what a closed instance has published stays. A closed one delivers nothing.
func testCloseLeaves(t testing.TB, s setup) {
	b, brokers := s.several(t, Options{})
	followers := make([]*collector, len(brokers))
	positions := make([]broker.Position, len(brokers))
	for i, b := range brokers {
		followers[i], positions[i] = subscribe(t, b, "a")
	}
	start := positions[0]
	var receipts []push.Receipt
	left := make([]int, len(brokers)) // what waited for each follower when its instance was closed
	for i, closing := range brokers {
		m := push.Message{Topic: "a", ID: fmt.Sprint("id", i), Data: []byte("x")}
		receipts = append(receipts, publish(t, closing, m))
		closeBroker(t, closing)
		left[i] = followers[i].waiting()
		if _, err := closing.Publish(t.Context(), m); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("Publish after Close: %v", err)
		}
		for j := i + 1; j < len(brokers); j++ {
			followers[j].next(&positions[j])
			if again := publish(t, brokers[j], m); !again.Duplicate || again.Position != receipts[i].Position {
				t.Errorf("first %+v, again through another %+v", receipts[i], again)
			}
		}
		if page := since(t, b.instance(t), "a", start, broker.Limit{}); page.Gap != "" || len(page.Messages) != i+1 {
			t.Errorf("a new instance has %d messages, gap %q", len(page.Messages), page.Gap)
		}
	}
	for i, c := range followers {
		if now := c.waiting(); now != left[i] {
			t.Errorf("follower %d got something after its instance was closed", i)
		}
	}
}

// wantPage fails unless a page has exactly these messages.
func wantPage(t testing.TB, what string, page push.Page, want []*push.Message) {
	t.Helper()
	if page.Gap != "" || len(page.Messages) != len(want) {
		t.Fatalf("%s: gap %q, %d messages, want %d", what, page.Gap, len(page.Messages), len(want))
	}
	for i, m := range page.Messages {
		if err := difference(m, want[i]); err != nil {
			t.Fatalf("%s, number %d: %v", what, i, err)
		}
	}
}

// difference returns an error if two messages aren't the same.
func difference(got, want *push.Message) error {
	if got.ID != want.ID || got.Topic != want.Topic || got.Event != want.Event || got.Key != want.Key || got.Encoding != want.Encoding ||
		!bytes.Equal(got.Data, want.Data) || got.Position != want.Position || got.PreviousTag != want.PreviousTag || !got.Time.Equal(want.Time) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}
