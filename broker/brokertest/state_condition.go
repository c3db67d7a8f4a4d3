package brokertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// wantConflict fails unless the error is that the key has another version.
func wantConflict(t testing.TB, what string, err error, current broker.Version) {
	t.Helper()
	var v *broker.VersionError
	if !errors.Is(err, push.CodeConflict) || !errors.As(err, &v) || v.Current != current {
		t.Errorf("%s: %v; want a conflict with %v", what, err, current)
	}
}

// testConditions has many change a key that they all know in the same version.
func testConditions(t testing.TB, s setup) {
	const writers = 50
	b := s.states(t)
	f := follow(t, b, "state/a")
	at := set(t, b, key("state/a", "k", "first")).Position
	f.want(broker.OpSet, "k", "first")
	known := version(t, b, "state/a", "k")
	if known != (broker.Version{Epoch: at.Epoch, Offset: at.Offset}) {
		t.Fatalf("the version is %v after a change at %+v", known, at)
	}
	errs, won := race(t, writers, func(ctx context.Context, i int) (push.Receipt, error) {
		m := key("state/a", "k", fmt.Sprint(i))
		m.IfVersion = known
		return b.Set(ctx, m)
	})
	if len(won) != 1 {
		t.Fatalf("%d of %d were made", len(won), writers)
	}
	for _, winner := range won {
		f.want(broker.OpSet, "k", fmt.Sprint(winner))
	}
	current := version(t, b, "state/a", "k")
	for _, err := range errs {
		wantConflict(t, "another", err, current)
	}
	for what, m := range map[string]push.Message{
		"an old version":    {Op: broker.OpSet, Key: "k", IfVersion: known},
		"a delete":          {Op: broker.OpDelete, Key: "k", IfVersion: known},
		"an append":         {Op: broker.OpAppend, Key: "k", IfVersion: known},
		"a touch":           {Op: broker.OpTouch, Key: "k", IfVersion: known},
		"another epoch":     {Op: broker.OpSet, Key: "k", IfVersion: broker.Version{Epoch: current.Epoch ^ 1, Offset: current.Offset}},
		"no epoch":          {Op: broker.OpSet, Key: "k", IfVersion: broker.Version{Offset: current.Offset}},
		"if it isn't there": {Op: broker.OpAppend, Key: "k", IfAbsent: true},
	} {
		m.Topic = "state/a"
		_, err := b.Publish(t.Context(), m)
		wantConflict(t, what, err, current)
	}
	_, err := b.Set(t.Context(), push.Message{Topic: "state/a", Key: "l", IfVersion: current})
	wantConflict(t, "the version of another key", err, broker.Version{})
	_, err = b.Touch(t.Context(), push.Message{Topic: "state/a", Key: "l"})
	wantConflict(t, "a touch of nothing", err, broker.Version{})
	receipt, err := b.Delete(t.Context(), push.Message{Topic: "state/a", Key: "k", IfVersion: current})
	made(t, receipt, err)
	f.want(broker.OpDelete, "k", "")
	f.wantState(b)
}

// race makes many changes at once, and returns the errors, and which were made.
func race(t testing.TB, n int, change func(ctx context.Context, i int) (push.Receipt, error)) (errs []error, made []int) {
	t.Helper()
	var mu sync.Mutex
	var work sync.WaitGroup
	ctx := context.WithoutCancel(t.Context())
	for i := range n {
		work.Go(func() {
			_, err := change(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				made = append(made, i)
			}
		})
	}
	work.Wait()
	return errs, made
}

func testIfAbsent(t testing.TB, s setup) {
	b := s.states(t)
	for round := range 2 {
		errs, made := race(t, 20, func(ctx context.Context, i int) (push.Receipt, error) {
			m := key("state/a", "k", fmt.Sprint(i))
			m.IfAbsent = true
			if i%2 == 0 {
				return b.Append(ctx, m)
			}
			return b.Set(ctx, m)
		})
		if len(made) != 1 {
			t.Fatalf("round %d: %d were first", round, len(made))
		}
		for _, err := range errs {
			wantConflict(t, "another", err, version(t, b, "state/a", "k"))
		}
		if got := values(stateOf(t, b, "state/a"))["k"]; got != fmt.Sprint(made[0]) {
			t.Errorf("the value is %q, the first was %d", got, made[0])
		}
		if _, err := b.Delete(t.Context(), key("state/a", "k", "")); err != nil {
			t.Fatal(err)
		}
	}
}

// testRetriedChange repeats changes whose condition holds no more because they were made.
func testRetriedChange(t testing.TB, s setup) {
	b := s.states(t)
	f := follow(t, b, "state/a")
	m := push.Message{Topic: "state/a", Key: "k", ID: "first", Data: []byte("1"), IfAbsent: true}
	first := set(t, b, m)
	f.want(broker.OpSet, "k", "1")
	again := func(what string, m push.Message, want push.Receipt) {
		t.Helper()
		receipt, err := b.Publish(t.Context(), m)
		if err != nil || !receipt.Duplicate || receipt.Position != want.Position || receipt.ID != want.ID {
			t.Errorf("%s: %+v, %v; want %+v again", what, receipt, err, want)
		}
	}
	m.Op = broker.OpSet
	again("a key that was absent", m, first)
	m.IfAbsent, m.IfVersion = false, broker.Version{Epoch: 1, Offset: 1}
	again("another condition", m, first)

	more := push.Message{Topic: "state/a", Key: "k", ID: "more", Op: broker.OpAppend, Data: []byte("2"), IfVersion: version(t, b, "state/a", "k")}
	receipt, err := b.Append(t.Context(), more)
	second := made(t, receipt, err)
	f.want(broker.OpAppend, "k", "2")
	again("an append", more, second)
	last := push.Message{Topic: "state/a", Key: "k", ID: "last", Op: broker.OpDelete}
	receipt, err = b.Delete(t.Context(), last)
	third := made(t, receipt, err)
	f.want(broker.OpDelete, "k", "")
	again("a delete", last, third)
	again("the first, later", m, first)

	for what, other := range map[string]push.Message{
		"other data":         {Op: broker.OpSet, Key: "k", Data: []byte("2")},
		"another key":        {Op: broker.OpSet, Key: "l", Data: []byte("1")},
		"another operation":  {Op: broker.OpAppend, Key: "k", Data: []byte("1")},
		"another encoding":   {Op: broker.OpSet, Key: "k", Data: []byte("1"), Encoding: push.EncodingJSON},
		"a touch":            {Op: broker.OpTouch, Key: "k"},
		"a delete":           {Op: broker.OpDelete, Key: "k"},
		"a delete elsewhere": {Op: broker.OpDelete, Key: "l"},
	} {
		other.Topic, other.ID = "state/a", "first"
		if _, err := b.Publish(t.Context(), other); !errors.Is(err, push.CodeConflict) {
			t.Errorf("the same ID with %s: %v", what, err)
		}
	}
	refused := push.Message{Topic: "state/a", Key: "k", ID: "refused", Op: broker.OpSet, IfVersion: broker.Version{Epoch: 1, Offset: 1}}
	_, err = b.Publish(t.Context(), refused)
	wantConflict(t, "a condition", err, broker.Version{})
	refused.IfVersion, refused.IfAbsent = broker.Version{}, true
	if receipt, err := b.Publish(t.Context(), refused); err != nil || receipt.Duplicate {
		t.Errorf("what was refused, again: %+v, %v", receipt, err)
	}
	f.want(broker.OpSet, "k", "")
	f.wantState(b)
}

// testStateBounds fills a state: three keys, ten bytes for a value, twenty for all.
func testStateBounds(t testing.TB, s setup) {
	b := s.states(t)
	f := follow(t, b, "small/a")
	full := func(what string, op broker.Op, k, data string, want push.Code) {
		t.Helper()
		m := key("small/a", k, data)
		m.Op = op
		if _, err := b.Publish(t.Context(), m); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	change := func(op broker.Op, k, data string) {
		t.Helper()
		m := key("small/a", k, data)
		m.Op = op
		receipt, err := b.Publish(t.Context(), m)
		made(t, receipt, err)
		f.want(op, k, data)
	}
	ten := strings.Repeat("x", 10)
	full("a value", broker.OpSet, "a", ten+"x", push.CodeTooLarge)
	change(broker.OpSet, "a", ten)
	full("a value after an append", broker.OpAppend, "a", "x", push.CodeTooLarge)
	change(broker.OpSet, "b", "")
	change(broker.OpSet, "c", "1234567") // and twenty bytes
	full("keys", broker.OpSet, "d", "", push.CodeLimitReached)
	full("keys that are begun", broker.OpAppend, "d", "", push.CodeLimitReached)
	full("bytes", broker.OpSet, "b", "1", push.CodeLimitReached)
	full("bytes of pieces", broker.OpAppend, "c", "8", push.CodeLimitReached)
	change(broker.OpSet, "c", "12345678"[1:])
	change(broker.OpSet, "a", "é") // bytes count, not characters
	change(broker.OpAppend, "c", "é")
	full("a value in bytes", broker.OpAppend, "a", "ééééé", push.CodeTooLarge)
	change(broker.OpDelete, "b", "")
	full("a key in bytes", broker.OpSet, strings.Repeat("k", 10), "", push.CodeLimitReached)
	change(broker.OpSet, "d", "1")
	f.wantState(b)
}
