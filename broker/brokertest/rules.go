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

// testTopicRules has rules that match the same topics: the first counts, the others and
// the broker's own bounds don't, and fields that it leaves out are the broker's.
func testTopicRules(t testing.TB, s setup) {
	b := s.open(t, Options{
		History: broker.History{Messages: 5},
		Topics: []push.TopicRule{
			{Pattern: "prices/{symbol}", History: broker.History{Messages: 2}},
			{Pattern: "prices/{all...}", History: broker.History{Messages: 3}},
			{Pattern: "log/{all...}", History: broker.History{Messages: -1}},
			{Pattern: "as it is", Time: true},
		},
	})
	for topic, want := range map[string]int{"prices/a": 2, "prices/a/b": 3, "log/a": 12, "as it is": 5, "another": 5} {
		positions := fill(t, b, topic, 12)
		wantMessages(t, recent(t, b, topic, 100), 12-want+1, 12)
		if want == 12 {
			continue
		}
		if page := since(t, b, topic, positions[12-want-1], broker.Limit{}); page.Gap != broker.GapTrimmed {
			t.Errorf("%s before what is kept: %+v", topic, page)
		}
		wantMessages(t, since(t, b, topic, positions[12-want], broker.Limit{}), 12-want+1, 12)
	}
}

func testTopicRuleBytes(t testing.TB, s setup) {
	b := s.open(t, Options{Topics: []push.TopicRule{{Pattern: "small/{x}", History: broker.History{Bytes: 10_000}}}})
	for topic, want := range map[string]int{"small/a": 3, "large/a": 10} {
		for range 10 {
			publish(t, b, text(topic, strings.Repeat("x", 3000)))
		}
		if n := len(recent(t, b, topic, 100).Messages); n != want {
			t.Errorf("%s keeps %d messages, want %d", topic, n, want)
		}
	}
}

func testTopicRuleAge(t testing.TB, s setup) {
	b := s.open(t, Options{Topics: []push.TopicRule{{Pattern: "brief/{x}", History: broker.History{Age: 50 * time.Millisecond}}}})
	kept := fill(t, b, "long/a", 3)
	positions := fill(t, b, "brief/a", 3)
	testaid.Eventually(t, "the end of old messages", func() bool { return len(recent(t, b, "brief/a", 10).Messages) == 0 })
	page := since(t, b, "brief/a", positions[1], broker.Limit{})
	if page.Gap != broker.GapTrimmed || page.Head != positions[3] {
		t.Errorf("since an expired message: %+v", page)
	}
	wantMessages(t, since(t, b, "long/a", kept[0], broker.Limit{}), 1, 3)
}

// testTopicRuleTime looks at live messages and at those that are read.
func testTopicRuleTime(t testing.TB, s setup) {
	b := s.open(t, Options{Topics: timed})
	for topic, want := range map[string]bool{"timed/a": true, "a": false} {
		c, at := subscribe(t, b, topic)
		before := at
		publish(t, b, text(topic, "x"))
		wantTime(t, c.next(&at), want)
		wantTime(t, newest(t, b, topic), want)
		page := since(t, b, topic, before, broker.Limit{})
		if len(page.Messages) != 1 {
			t.Fatalf("since the start: %+v", page)
		}
		wantTime(t, page.Messages[0], want)
	}
}

var timed = []push.TopicRule{{Pattern: "timed/{x}", Time: true}}

func wantTime(t testing.TB, m *push.Message, want bool) {
	t.Helper()
	if m.TellTime != want || m.Time.IsZero() {
		t.Errorf("%s: TellTime is %v, want %v; Time is %v", m.Topic, m.TellTime, want, m.Time)
	}
}

// testRestartParts: what the publisher set survives a restart, and the rules hold for what
// was stored before it.
func testRestartParts(t testing.TB, s setup) {
	p := s.pair(t, Options{Topics: timed})
	want := map[string]push.Message{}
	for i, m := range allParts("timed/a") {
		receipt := publish(t, p.other, m)
		m.Named, m.ID = m.ID != "", receipt.ID
		want[fmt.Sprint(i)] = m
	}
	p.Restart(t)
	for _, b := range []push.Broker{p.victim, p.other} {
		var page push.Page
		testaid.Eventually(t, "reading again", func() bool {
			var err error
			page, err = b.Recent(t.Context(), "timed/a", broker.Limit{Messages: 100})
			return err == nil
		})
		if len(page.Messages) != len(want) {
			t.Fatalf("%d messages are left of %d", len(page.Messages), len(want))
		}
		for i, m := range page.Messages {
			wantParts(t, m, want[fmt.Sprint(i)])
			wantTime(t, m, true)
		}
	}
}
