package brokertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// brief is how long keys stay that are to end while a test waits.
const brief = 100 * time.Millisecond

// testExpiry has keys end that nobody changes: each follower gets a delete, on every
// instance.
func testExpiry(t testing.TB, s setup) {
	_, brokers := s.several(t, Options{Topics: states})
	b := spreadOver(brokers).(push.StateBroker)
	early := key("state/a", "before anybody follows", "1")
	early.TTL = brief
	set(t, b, early)
	var followers []*mirror
	for _, b := range brokers {
		followers = append(followers, follow(t, b.(push.StateBroker), "state/a"))
	}
	forever := set(t, b, key("state/a", "for ever", "1")).Position
	for _, f := range followers {
		f.until("for ever")
	}
	for _, f := range followers {
		if _, there := f.keys["before anybody follows"]; there {
			f.want(broker.OpDelete, "before anybody follows", "")
		}
	}
	for i := range 3 {
		m := key("state/a", "k", fmt.Sprint(i))
		m.TTL = brief
		at := set(t, b, m).Position
		for _, f := range followers {
			f.want(broker.OpSet, "k", fmt.Sprint(i))
			c := f.want(broker.OpDelete, "k", "")
			if c.ID == "" || c.Named || c.Offset != at.Offset+1 || c.Tag == at.Tag || c.PreviousTag != at.Tag {
				t.Errorf("after a change at %+v it ends by %+v", at, c)
			}
		}
	}
	for _, f := range followers {
		f.wantState(brokers...)
	}
	if got := version(t, b, "state/a", "for ever"); got.Offset != forever.Offset {
		t.Errorf("what stays for ever is at %v, and was at %+v", got, forever)
	}
}

// testExpiryOfMany has more keys than end in one step.
func testExpiryOfMany(t testing.TB, s setup) {
	const many = 250
	b := s.states(t)
	f := follow(t, b, "state/a")
	for i := range many {
		m := key("state/a", fmt.Sprint(i), "x")
		m.TTL = 500 * time.Millisecond
		set(t, b, m)
	}
	ended := 0
	for range 2 * many {
		if f.change().Op == broker.OpDelete {
			ended++
		}
	}
	if ended != many || len(f.keys) > 0 {
		t.Errorf("%d of %d keys ended, left are %v", ended, many, f.keys)
	}
	f.wantState(b)
}

// testTouch touches a key in time, for ever, and another for a moment.
func testTouch(t testing.TB, s setup) {
	b := s.states(t)
	f := follow(t, b, "state/a")
	kept := key("state/a", "kept", "1")
	touch := func(k string, ttl time.Duration) error {
		_, err := b.Touch(t.Context(), push.Message{Topic: "state/a", Key: k, TTL: ttl})
		return err
	}
	for kept.TTL = 500 * time.Millisecond; ; kept.TTL *= 2 { // until a slow machine is in time
		set(t, b, kept)
		f.want(broker.OpSet, "kept", "1")
		err := touch("kept", -1)
		if err == nil {
			break
		}
		wantConflict(t, "late", err, broker.Version{})
		f.want(broker.OpDelete, "kept", "")
	}
	other := key("state/a", "other", "1")
	other.TTL = kept.TTL + brief
	set(t, b, other)
	f.want(broker.OpSet, "other", "1")
	f.want(broker.OpDelete, "other", "") // and nothing before
	before := version(t, b, "state/a", "kept")
	if err := touch("kept", brief); err != nil {
		t.Fatal(err)
	}
	f.want(broker.OpDelete, "kept", "")
	if before.Offset+3 != f.at.Offset {
		t.Errorf("changed at %v, and it ended at %+v", before, f.at)
	}
	f.wantState(b)
}

// testRuleTTL has a rule by which keys are brief, and changes that say otherwise.
func testRuleTTL(t testing.TB, s setup) {
	b := s.states(t)
	f := follow(t, b, "brief/a")
	forever, renewed := key("brief/a", "for ever", "1"), key("brief/a", "renewed", "1")
	forever.TTL, renewed.TTL = -1, -1
	set(t, b, forever)
	set(t, b, renewed)
	set(t, b, key("brief/a", "brief", "1"))
	f.want(broker.OpSet, "for ever", "1")
	f.want(broker.OpSet, "renewed", "1")
	f.want(broker.OpSet, "brief", "1")
	f.want(broker.OpDelete, "brief", "")
	receipt, err := b.Append(t.Context(), key("brief/a", "renewed", "2")) // which says nothing
	made(t, receipt, err)
	f.want(broker.OpAppend, "renewed", "2")
	f.want(broker.OpDelete, "renewed", "")
	f.wantState(b)
	if len(f.keys) != 1 {
		t.Errorf("left are %v", f.keys)
	}
}

// testDueKey has a key whose time is over while nobody follows it, so that nobody makes it
// end.
func testDueKey(t testing.TB, s setup) {
	b := s.states(t)
	for i, m := range []push.Message{
		{Op: broker.OpAppend, Data: []byte("2")}, {Op: broker.OpSet, Data: []byte("2"), IfAbsent: true},
		{Op: broker.OpDelete}, {Op: broker.OpTouch},
	} {
		topic := fmt.Sprint("state/", i)
		old := key(topic, "k", "1")
		old.TTL = brief
		at := set(t, b, old).Position
		known := broker.Version{Epoch: at.Epoch, Offset: at.Offset}
		testaid.Eventually(t, "the end of the key", func() bool { return len(stateOf(t, b, topic).Messages) == 0 })
		if i%2 == 0 {
			_, err := b.Set(t.Context(), push.Message{Topic: topic, Key: "k", IfVersion: known})
			wantConflict(t, "the version of a key that is due", err, broker.Version{})
		}
		m.Topic, m.Key = topic, "k"
		receipt, err := b.Publish(t.Context(), m)
		if m.Op == broker.OpTouch && !errors.Is(err, push.CodeConflict) || m.Op != broker.OpTouch && err != nil {
			t.Errorf("%s: %v", m.Op, err)
		}
		if m.Op == broker.OpDelete && !receipt.Duplicate {
			t.Errorf("it is deleted twice: %+v", receipt)
		}
		page := since(t, b, topic, at, broker.Limit{})
		if len(page.Messages) == 0 || page.Messages[0].Op != broker.OpDelete || page.Messages[0].Key != "k" {
			t.Fatalf("%s: after the first change there are %+v", m.Op, page)
		}
		for _, c := range page.Messages[1:] {
			if c.Op != m.Op || c.Start != 0 || string(c.Data) != "2" {
				t.Errorf("after the end there is %+v", c)
			}
		}
	}
}

// testRenew renews many keys at once: those that are there stay, and the others are named.
func testRenew(t testing.TB, s setup) {
	const many = 300
	b := s.states(t)
	f := follow(t, b, "state/a")
	var all, there []string
	for i := range many {
		all = append(all, fmt.Sprint("k", i))
		if i%3 == 0 {
			m := key("state/a", all[i], "x")
			m.TTL = time.Hour
			set(t, b, m)
			f.want(broker.OpSet, all[i], "x")
			there = append(there, all[i])
		}
	}
	gone, err := b.Renew(t.Context(), "state/a", all, brief)
	if err != nil || len(gone) != many-len(there) {
		t.Fatalf("%d of %d keys are gone, %v", len(gone), many-len(there), err)
	}
	for range there {
		if c := f.change(); c.Op != broker.OpDelete {
			t.Errorf("%+v where the renewed keys end", c)
		}
	}
	if gone, err = b.Renew(t.Context(), "state/a", all, time.Hour); err != nil || len(gone) != many {
		t.Errorf("%d keys are gone, %v", len(gone), err)
	}
	if _, err := b.Renew(t.Context(), "log", all, time.Hour); push.AsError(err).Code != push.CodeWrongKind {
		t.Errorf("keys of a log: %v", err)
	}
	f.wantState(b)
}
