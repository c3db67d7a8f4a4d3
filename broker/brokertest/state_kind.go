package brokertest

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func testWrongKind(t testing.TB, s setup) {
	b := s.states(t)
	publish(t, b, text("log", "1"))
	set(t, b, key("state/a", "k", "1"))
	for _, topic := range []string{"log", "another log"} {
		if b.Rule(topic).State {
			t.Errorf("%q is a state", topic)
		}
		for _, op := range []broker.Op{broker.OpSet, broker.OpAppend, broker.OpDelete, broker.OpTouch} {
			if _, err := b.Publish(t.Context(), push.Message{Topic: topic, Key: "k", Op: op}); !errors.Is(err, push.CodeWrongKind) {
				t.Errorf("%s in %q: %v", op, topic, err)
			}
		}
		if _, err := b.State(t.Context(), topic); !errors.Is(err, push.CodeWrongKind) {
			t.Errorf("State of %q: %v", topic, err)
		}
	}
	for _, topic := range []string{"state/a", "state/b"} {
		if !b.Rule(topic).State {
			t.Errorf("%q is no state", topic)
		}
		if _, err := b.Publish(t.Context(), push.Message{Topic: topic, Key: "k", Data: []byte("x")}); !errors.Is(err, push.CodeWrongKind) {
			t.Errorf("Publish to %q: %v", topic, err)
		}
	}
	if got := recent(t, b, "log", 10); len(got.Messages) != 1 {
		t.Errorf("the log has %+v", got)
	}
	if got := stateOf(t, b, "state/a"); len(got.Messages) != 1 || got.Head.Offset != 1 {
		t.Errorf("the state is %+v", got)
	}
}

// testStateHistory has a state whose log keeps four changes: it keeps all keys.
func testStateHistory(t testing.TB, s setup) {
	b := s.open(t, Options{
		History: broker.History{Messages: 4}, Topics: append([]push.TopicRule{{Pattern: "state/bytes", State: true, History: broker.History{Bytes: 500}}}, states...),
	}).(push.StateBroker)
	for topic, most := range map[string]int{"state/a": 4, "state/bytes": 3} {
		start := recent(t, b, topic, 0).Head
		for i := range 10 {
			set(t, b, key(topic, fmt.Sprint(i), "x"))
		}
		page := recent(t, b, topic, 100)
		if n := len(page.Messages); n > most || n == 0 || page.Messages[n-1].Op != broker.OpSet || page.Messages[n-1].Key != "9" {
			t.Errorf("%s has a log of %d changes", topic, n)
		}
		if page := since(t, b, topic, start, broker.Limit{}); page.Gap != broker.GapTrimmed {
			t.Errorf("%s since the start: %+v", topic, page)
		}
		if n := len(stateOf(t, b, topic).Messages); n != 10 {
			t.Errorf("%s has %d keys", topic, n)
		}
	}
}

// testChangeAll sets a key in many topics, some of which refuse.
func testChangeAll(t testing.TB, s setup) {
	const topics = 150
	b := s.states(t)
	names := []string{"log", "state/a\nb", "state/conflict", "small/a"}
	set(t, b, push.Message{Topic: "state/conflict", Key: "k", ID: "id", Data: []byte("another")})
	for i := range topics {
		names = append(names, fmt.Sprint("state/", i))
	}
	f := follow(t, b, "state/7")
	m := push.Message{Op: broker.OpAppend, Key: "k", ID: "id", Data: []byte("larger than ten")}
	for round := range 2 {
		all := publishAll(t, b, m, names...)
		for i, want := range []push.Code{push.CodeWrongKind, push.CodeBadRequest, push.CodeConflict, push.CodeTooLarge} {
			if p := all[i]; !errors.Is(p.Err, want) || !p.Receipt.Position.IsZero() {
				t.Errorf("%q: %+v, want %v", p.Topic, p, want)
			}
		}
		for _, p := range all[4:] {
			if p.Err != nil || p.Receipt.Position.Offset != 1 || p.Receipt.Duplicate != (round > 0) {
				t.Fatalf("in round %d: %+v", round, p)
			}
		}
	}
	f.want(broker.OpAppend, "k", "larger than ten")
	f.wantState(b)
	m.ID, m.Op, m.Data = "", broker.OpDelete, nil
	for i, p := range publishAll(t, b, m, "state/7", "state/none") {
		if p.Err != nil || p.Receipt.Duplicate != (i == 1) {
			t.Errorf("a delete: %+v", p)
		}
	}
	f.want(broker.OpDelete, "k", "")
}

// testStateCost reads states that nobody has changed, and asks for changes that aren't made.
func testStateCost(t testing.TB, s setup) {
	backend, brokers := s.several(t, Options{Topics: states})
	b := spreadOver(brokers).(push.StateBroker)
	for _, b := range brokers { // each instance stays connected
		subscribe(t, b, "state/followed")
	}
	set(t, b, key("state/real", "k", "1"))
	ask := func(topic string) {
		t.Helper()
		c, at := subscribe(t, b, topic)
		if page := stateOf(t, b, topic); page.Head != at || len(page.Messages) > 0 || at.Offset != 0 {
			t.Fatalf("the state of %q is %+v, it is followed from %+v", topic, page, at)
		}
		if receipt, err := b.Delete(t.Context(), key(topic, "k", "")); err != nil || receipt.Position != at {
			t.Fatalf("delete in %q: %+v, %v", topic, receipt, err)
		}
		_, err := b.Touch(t.Context(), key(topic, "k", ""))
		wantConflict(t, "a touch", err, broker.Version{})
		b.Unsubscribe(topic, c)
	}
	first := backend.Cost(t)
	for i := range 200 {
		ask(fmt.Sprint("state/made up ", i))
	}
	testaid.Eventually(t, "the cost of before", func() bool { return maps.Equal(first, backend.Cost(t)) })
}
