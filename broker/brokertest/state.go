package brokertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// stateTests are about topics that are states.
var stateTests = []test{
	{"ChangesMakeTheState", testChanges},
	{"StateIsItsChangesReplayed", testReplayed},
	{"StateHasAllParts", testStateParts},
	{"PiecesAreWholeInUTF16", testAppend},
	{"DeleteOfNothingIsADuplicate", testDeleteNothing},
	{"OneOfManyConditionsHolds", testConditions},
	{"OneOfManyIsFirst", testIfAbsent},
	{"RetriedChangeIsADuplicate", testRetriedChange},
	{"StateIsBounded", testStateBounds},
	{"HistoryOfAStateIsBounded", testStateHistory},
	{"BadChangesAreRefused", testBadChanges},
	{"LogAndStateAreApart", testWrongKind},
	{"PublishAllChangesEachTopic", testChangeAll},
	{"StatesThatNobodyChangesCostNothing", testStateCost},
	{"KeyEndsForAllWhileNobodyWrites", testExpiry},
	{"ManyKeysEndAtOnce", testExpiryOfMany},
	{"TouchKeepsAKey", testTouch},
	{"RenewKeepsManyKeys", testRenew},
	{"RuleSaysHowLongAKeyStays", testRuleTTL},
	{"KeyThatIsDueIsNotThere", testDueKey},
}

// states are the rules of the tests.
var states = []push.TopicRule{
	{Pattern: "state/{x}", State: true},
	{Pattern: "small/{x}", State: true, MaxKeys: 3, MaxValue: 10, MaxBytes: 20},
	{Pattern: "brief/{x}", State: true, TTL: 200 * time.Millisecond},
	{Pattern: "timed/{x}", State: true, Time: true},
}

func (s setup) states(t testing.TB) push.StateBroker {
	t.Helper()
	return s.open(t, Options{Topics: states, MaxMessage: 1000}).(push.StateBroker)
}

func key(topic, key, data string) push.Message {
	return push.Message{Topic: topic, Key: key, Data: []byte(data)}
}

// made returns the receipt of a change, which must have been made.
func made(t testing.TB, receipt push.Receipt, err error) push.Receipt {
	t.Helper()
	if err != nil || receipt.Duplicate {
		t.Fatalf("the change wasn't made: %+v, %v", receipt, err)
	}
	return receipt
}

func set(t testing.TB, b push.StateBroker, m push.Message) push.Receipt {
	t.Helper()
	receipt, err := b.Set(t.Context(), m)
	return made(t, receipt, err)
}

func testChanges(t testing.TB, s setup) {
	b := s.states(t)
	f := follow(t, b, "state/a")
	start := f.at
	steps := []struct {
		change    func(context.Context, push.Message) (push.Receipt, error)
		op        broker.Op
		key, data string
		want      string // the values after it
	}{
		{b.Set, broker.OpSet, "k", "1", "map[k:1]"},
		{b.Set, broker.OpSet, "l", "2", "map[k:1 l:2]"},
		{b.Append, broker.OpAppend, "k", "1", "map[k:11 l:2]"},
		{b.Append, broker.OpAppend, "m", "3", "map[k:11 l:2 m:3]"},
		{b.Touch, broker.OpTouch, "m", "", "map[k:11 l:2 m:3]"},
		{b.Delete, broker.OpDelete, "k", "", "map[l:2 m:3]"},
		{b.Set, broker.OpSet, "k", "4", "map[k:4 l:2 m:3]"},
		{b.Set, broker.OpSet, "l", "", "map[k:4 l: m:3]"},
	}
	for _, step := range steps {
		receipt, err := step.change(t.Context(), key("state/a", step.key, step.data))
		made(t, receipt, err)
		page := stateOf(t, b, "state/a")
		if got := fmt.Sprint(values(page)); got != step.want {
			t.Fatalf("after %s of %q: %s, want %s", step.op, step.key, got, step.want)
		}
		if page.Head != receipt.Position {
			t.Fatalf("the receipt of %s is at %+v, the head %+v", step.op, receipt.Position, page.Head)
		}
		if step.op == broker.OpTouch {
			continue
		}
		c := f.want(step.op, step.key, step.data)
		if c.Position != receipt.Position || c.ID != receipt.ID || c.Named {
			t.Fatalf("%+v came; the receipt is %+v", c, receipt)
		}
	}
	f.wantState(b)
	var order []string
	for _, m := range stateOf(t, b, "state/a").Messages {
		order = append(order, fmt.Sprint(m.Key, m.Offset))
	}
	if got := strings.Join(order, " "); got != "m4 k6 l7" {
		t.Errorf("the keys and where they were changed: %s", got)
	}
	page := since(t, b, "state/a", start, broker.Limit{})
	if len(page.Messages) != len(steps)-1 || page.Head != f.at || len(recent(t, b, "state/a", 3).Messages) != 3 {
		t.Errorf("the log has %d changes up to %+v", len(page.Messages), page.Head)
	}
}

// testReplayed makes many changes, of which some are refused, from several goroutines.
func testReplayed(t testing.TB, s setup) {
	const goroutines, each = 4, 60
	b := s.states(t)
	followers := []*mirror{follow(t, b, "state/a"), follow(t, b, "state/a")}
	var work sync.WaitGroup
	for g := range goroutines {
		random := rand.New(rand.NewPCG(uint64(g), 1))
		work.Go(func() {
			for i := range each {
				m := key("state/a", fmt.Sprint(random.IntN(5)), fmt.Sprint(g, "/", i, "é😀"))
				var err error
				switch random.IntN(4) {
				case 0:
					_, err = b.Set(context.WithoutCancel(t.Context()), m)
				case 1:
					m.Data = nil
					_, err = b.Delete(context.WithoutCancel(t.Context()), m)
				default:
					_, err = b.Append(context.WithoutCancel(t.Context()), m)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	head := stateOf(t, b, "state/a").Head
	for _, f := range followers {
		if gaps := f.reach(head); len(gaps) > 0 {
			t.Errorf("gaps %+v", gaps)
		}
		f.wantState(b, b, b)
	}
}

func testStateParts(t testing.TB, s setup) {
	b := s.states(t)
	for topic, tell := range map[string]bool{"state/a": false, "timed/a": true} {
		f := follow(t, b, topic)
		for i, want := range []push.Message{
			{ID: "id-1", Data: []byte("text with \n, \r, \u2028 and 😀")},
			{Data: []byte{0, 255, 128, '\n', ' '}, Encoding: push.EncodingBinary},
			{Data: []byte(`{ "a": [1.50, null] }`), Encoding: push.EncodingJSON, Header: map[string]string{"trace": "1"}},
			{Data: nil},
		} {
			want.Topic, want.Key = topic, "ü k"
			receipt := set(t, b, want)
			c := f.change()
			want.Named, want.ID = want.ID != "", receipt.ID
			want.Data, _ = want.Encoding.Normalize(want.Data)
			wantParts(t, c, want)
			wantTime(t, c, tell)
			page := stateOf(t, b, topic)
			if len(page.Messages) != 1 {
				t.Fatalf("after change %d the state is %+v", i, page)
			}
			entry := page.Messages[0]
			wantTime(t, entry, tell)
			if string(entry.Data) != string(want.Data) || entry.Encoding != want.Encoding || entry.Offset != receipt.Position.Offset {
				t.Errorf("entry %+v, want %+v", entry, want)
			}
		}
	}
}

// testAppend appends characters of one to four bytes.
func testAppend(t testing.TB, s setup) {
	b := s.states(t)
	f := follow(t, b, "state/a")
	starts := []int{0, 1, 3, 4, 5, 5, 8}
	pieces := []string{"a", "😀", "é", "€", "", "z😀", "."}
	for i, piece := range pieces {
		receipt, err := b.Append(t.Context(), key("state/a", "k", piece))
		made(t, receipt, err)
		if c := f.want(broker.OpAppend, "k", piece); c.Start != starts[i] {
			t.Errorf("%q begins at %d, want %d", piece, c.Start, starts[i])
		}
	}
	if got, want := values(stateOf(t, b, "state/a"))["k"], strings.Join(pieces, ""); got != want {
		t.Errorf("the value is %q, want %q", got, want)
	}
	page := since(t, b, "state/a", broker.Position{Epoch: f.at.Epoch}, broker.Limit{})
	for i, m := range page.Messages {
		if m.Start != starts[i] {
			t.Errorf("in the log change %d begins at %d, want %d", i, m.Start, starts[i])
		}
	}
	for _, other := range []push.Message{
		{Data: []byte("1"), Encoding: push.EncodingJSON}, {Data: []byte("1"), Encoding: push.EncodingBinary},
	} {
		other.Topic, other.Key = "state/a", "k"
		set(t, b, other)
		if _, err := b.Append(t.Context(), key("state/a", "k", "x")); !errors.Is(err, push.CodeConflict) {
			t.Errorf("an append to what isn't text: %v", err)
		}
	}
}

func testDeleteNothing(t testing.TB, s setup) {
	b := s.states(t)
	f := follow(t, b, "state/a")
	nothing := func(m push.Message) {
		t.Helper()
		head := recent(t, b, "state/a", 0).Head
		receipt, err := b.Delete(t.Context(), m)
		if err != nil || !receipt.Duplicate || receipt.Position != head {
			t.Errorf("delete of a key that isn't there: %+v, %v; the head is %+v", receipt, err, head)
		}
	}
	nothing(key("state/a", "k", ""))
	set(t, b, key("state/a", "l", "1"))
	nothing(key("state/a", "k", ""))
	once := push.Message{Topic: "state/a", Key: "k", ID: "once"}
	nothing(once)
	f.want(broker.OpSet, "l", "1")
	set(t, b, key("state/a", "k", "1"))
	receipt, err := b.Delete(t.Context(), once) // again: it was done when there was no such key
	if err != nil || !receipt.Duplicate {
		t.Errorf("the delete repeated: %+v, %v", receipt, err)
	}
	f.want(broker.OpSet, "k", "1")
	f.wantState(b)
}

func testBadChanges(t testing.TB, s setup) {
	b := s.states(t)
	for name, m := range map[string]push.Message{
		"no key":                    {Op: broker.OpSet},
		"an event":                  {Op: broker.OpSet, Key: "k", Event: "e"},
		"a delete with data":        {Op: broker.OpDelete, Key: "k", Data: []byte("x")},
		"an append of JSON":         {Op: broker.OpAppend, Key: "k", Data: []byte("1"), Encoding: push.EncodingJSON},
		"a touch of an absent key":  {Op: broker.OpTouch, Key: "k", IfAbsent: true},
		"an operation of no name":   {Op: broker.OpTouch + 1, Key: "k"},
		"a key with a line break":   {Op: broker.OpSet, Key: "k\n"},
		"a version of what isn't":   {Op: broker.OpSet, Key: "k", IfAbsent: true, IfVersion: broker.Version{Epoch: 1, Offset: 1}},
		"text that isn't UTF-8":     {Op: broker.OpSet, Key: "k", Data: []byte{0xff}},
		"JSON that is none":         {Op: broker.OpSet, Key: "k", Data: []byte("{"), Encoding: push.EncodingJSON},
		"an ID with a space inside": {Op: broker.OpSet, Key: "k", ID: "a b"},
	} {
		m.Topic = "state/a"
		if _, err := b.Publish(t.Context(), m); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Set(t.Context(), key("state/a", "k", strings.Repeat("x", 1001))); !errors.Is(err, push.CodeTooLarge) {
		t.Errorf("more than MaxMessage: %v", err)
	}
	if page := stateOf(t, b, "state/a"); page.Head.Offset != 0 || len(page.Messages) != 0 {
		t.Errorf("something was stored: %+v", page)
	}
	for _, topic := range []string{"", "state/a\n", "state/*"} {
		if _, err := b.State(t.Context(), topic); err == nil {
			t.Errorf("State of %q", topic)
		}
	}
}
