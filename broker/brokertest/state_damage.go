package brokertest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// Tests of states whose backend suffers.
var (
	stateLossTests    = []test{{"LostChangesAreMadeGood", testStateLoss}}
	stateRestartTests = []test{{"RestartKeepsTheState", testStateRestart}}
	stateEraseTests   = []test{{"LostStateIsReported", testStateErase}}
	stateForkTests    = []test{{"NewEpochKeepsTheState", testStateFork}}
)

// mirrors is two instances with a mirror each.
func (s setup) mirrors(t testing.TB) (b *backend, brokers []push.Broker, followers []*mirror) {
	t.Helper()
	b, brokers = s.several(t, Options{Topics: states})
	for _, instance := range brokers {
		followers = append(followers, follow(t, instance.(push.StateBroker), "state/a"))
	}
	return b, brokers, followers
}

// testStateLoss loses changes of all kinds on their way to an instance.
func testStateLoss(t testing.TB, s setup) {
	b, brokers, followers := s.mirrors(t)
	other := brokers[1].(push.StateBroker)
	for round := range 3 {
		b.Lose(t, brokers[0], 3)
		k := fmt.Sprint("k", round)
		set(t, other, key("state/a", k, "1"))
		set(t, other, key("state/a", "l", "1"))
		receipt, err := other.Append(t.Context(), key("state/a", k, "2"))
		head := made(t, receipt, err).Position
		if round > 0 {
			receipt, err := other.Delete(t.Context(), key("state/a", fmt.Sprint("k", round-1), ""))
			head = made(t, receipt, err).Position
		}
		for _, f := range followers {
			f.reach(head)
			f.wantState(brokers...)
		}
	}
}

// awaitSet sets a key once the backend can be reached.
func awaitSet(t testing.TB, b push.Broker, m push.Message) (receipt push.Receipt) {
	t.Helper()
	testaid.Eventually(t, "a change", func() bool {
		var err error
		receipt, err = b.(push.StateBroker).Set(t.Context(), m)
		return err == nil
	})
	return receipt
}

// testStateRestart has keys that stay and one that ends after the restart.
func testStateRestart(t testing.TB, s setup) {
	b, brokers, followers := s.mirrors(t)
	m := push.Message{Topic: "state/a", Key: "kept", ID: "id", Data: []byte("1"), IfAbsent: true}
	first := set(t, brokers[0].(push.StateBroker), m)
	ends := key("state/a", "ends", "1")
	ends.TTL = 2 * time.Second
	head := set(t, brokers[1].(push.StateBroker), ends).Position
	for _, f := range followers {
		f.reach(head)
	}
	b.Restart(t)
	if again := awaitSet(t, brokers[1], m); !again.Duplicate || again.Position != first.Position {
		t.Errorf("first %+v, after the restart %+v", first, again)
	}
	for _, f := range followers {
		f.want(broker.OpDelete, "ends", "")
		f.wantState(brokers...)
	}
	if got := version(t, brokers[1], "state/a", "kept"); got.Offset != first.Position.Offset {
		t.Errorf("the version is %v, and was that of %+v", got, first.Position)
	}
}

func testStateErase(t testing.TB, s setup) {
	b, brokers, followers := s.mirrors(t)
	head := set(t, brokers[0].(push.StateBroker), key("state/a", "lost", "1")).Position
	for _, f := range followers {
		f.reach(head)
	}
	b.Erase(t)
	now := awaitSet(t, brokers[1], push.Message{Topic: "state/a", Key: "after", ID: "id"}).Position
	if now.Epoch == head.Epoch {
		t.Errorf("%+v comes after %+v, which is lost", now, head)
	}
	for i, f := range followers {
		if gaps := f.reach(now); len(gaps) == 0 {
			t.Errorf("follower %d learned nothing of the loss", i)
		}
		f.wantState(brokers...)
		if len(f.keys) != 1 {
			t.Errorf("follower %d has %v", i, f.keys)
		}
	}
}

// testStateFork ends the history, and no key. Each is then as it was before the epoch, whose
// version has no offset, and changes go on.
func testStateFork(t testing.TB, s setup) {
	b, brokers, followers := s.mirrors(t)
	one := brokers[0].(push.StateBroker)
	set(t, one, key("state/a", "a", "1"))
	set(t, one, push.Message{Topic: "state/a", Key: "b", Data: []byte{0xff}, Encoding: push.EncodingBinary})
	ends := key("state/a", "ends", "1")
	ends.TTL = 3 * time.Second
	head := set(t, one, ends).Position
	old := version(t, one, "state/a", "a")
	for _, f := range followers {
		f.reach(head)
	}
	before := maps.Clone(followers[0].keys)
	b.Fork(t, "state/a")
	for i, f := range followers {
		e := f.event(&f.at)
		if e.message != nil || e.gap.Reason != broker.GapEpoch || f.at.Epoch == head.Epoch {
			t.Fatalf("follower %d got %+v", i, e)
		}
		page := stateOf(t, brokers[i], "state/a")
		if got := values(page); !maps.Equal(got, before) && len(got) != len(before)-1 {
			t.Errorf("instance %d has %v after the fork, before it was %v", i, got, before)
		}
		f.load(page, f.at)
	}
	now := version(t, one, "state/a", "a")
	if now.Epoch == old.Epoch || now.Offset != 0 {
		t.Errorf("the version was %v and is %v", old, now)
	}
	_, err := one.Set(t.Context(), push.Message{Topic: "state/a", Key: "a", IfVersion: old})
	wantConflict(t, "the old version", err, now)
	receipt, err := one.Append(t.Context(), push.Message{Topic: "state/a", Key: "a", Data: []byte("2"), IfVersion: now})
	head = made(t, receipt, err).Position
	for _, f := range followers {
		f.reach(head)
		if f.keys["a"] != "12" {
			t.Errorf("the value is %q", f.keys["a"])
		}
		if _, there := f.keys["ends"]; there {
			f.want(broker.OpDelete, "ends", "")
		}
		f.wantState(brokers...)
	}
}
