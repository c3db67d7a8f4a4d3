package pushtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Record has what was published, in the order in which it was stored. Expect and None are for
// the goroutine of the test, Messages is for any.
type Record struct {
	t    testing.TB
	name string // for the texts of failures

	board board // guards the rest
	all   []*push.Message
	seen  map[string]int // how many messages of a topic were expected
}

func newRecord(t testing.TB, name string) *Record {
	return &Record{t: t, name: name, seen: map[string]int{}}
}

// Messages returns what was published to a topic, oldest first, whether it was expected or
// not. Nobody changes the messages.
func (r *Record) Messages(topic string) []*push.Message {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	return r.of(topic)
}

// of is Messages with the board locked.
func (r *Record) of(topic string) (messages []*push.Message) {
	for _, m := range r.all {
		if m.Topic == topic {
			messages = append(messages, m)
		}
	}
	return messages
}

// Expect fails the test unless these are the next messages of a topic, after those that were
// expected before. It waits for those that aren't there yet, ten seconds at most, which cost
// nothing in a bubble of testing/synctest. More may follow; see [Record.None].
//
// What is wanted is one of
//
//   - a string: the text, of a message that is text, or the value of one that is JSON
//   - a []byte: the data of one that is binary
//   - a [push.Message]: of a change its Op and Key, and of any the Data and what else is set
//   - a func(*push.Message) error: its error fails the test
//   - any other value: that of a message which is JSON, however it is written
func (r *Record) Expect(topic string, want ...any) {
	r.t.Helper()
	settle(r.t)
	for i, w := range want {
		var got *push.Message
		there := r.board.wait(func() bool {
			if all := r.of(topic); r.seen[topic] < len(all) {
				got = all[r.seen[topic]]
				r.seen[topic]++
			}
			return got != nil
		})
		place := fmt.Sprintf("%s: %q: message %d of %d", r.name, topic, i+1, len(want))
		if !there {
			r.t.Fatalf("%s didn't come within %v\n  want %s\n%s", place, patience, describe(w), r.list())
		}
		if why := differs(w, event(got)); why != "" {
			r.t.Fatalf("%s isn't what was expected\n%s", place, why)
		}
	}
}

// None fails the test if there is a message that wasn't expected: in these topics, or in any
// if none is named. It doesn't wait for publishes that are still to come, but in a bubble of
// testing/synctest for all that goroutines of the bubble do without waiting.
func (r *Record) None(topics ...string) {
	r.t.Helper()
	settle(r.t)
	r.board.mu.Lock()
	var more []string
	count := map[string]int{}
	for _, m := range r.all {
		if count[m.Topic]++; count[m.Topic] > r.seen[m.Topic] && (len(topics) == 0 || slices.Contains(topics, m.Topic)) {
			more = append(more, "  got  "+event(m).String())
		}
	}
	r.board.mu.Unlock()
	if len(more) > 0 {
		r.t.Fatalf("%s: %d published that nobody has expected\n%s", r.name, len(more), strings.Join(more, "\n"))
	}
}

// list is what was published, for the text of a failure.
func (r *Record) list() string {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	if len(r.all) == 0 {
		return "  nothing was published"
	}
	lines := []string{"  published so far:"}
	for _, m := range r.all[max(0, len(r.all)-maxListed):] {
		lines = append(lines, "    "+event(m).String())
	}
	return strings.Join(lines, "\n")
}

// maxListed is how much the text of a failure lists.
const maxListed = 20

// publish publishes a message, and notes it if that was successful. It is stored and noted in
// one order.
func (r *Record) publish(ctx context.Context, to push.Publisher, m push.Message) (receipt push.Receipt, err error) {
	if broker.CheckTopic(m.Topic) != nil {
		return to.Publish(ctx, m) // the hub's own, or none
	}
	r.board.update(func() {
		receipt, err = to.Publish(ctx, m)
		if err != nil || receipt.Duplicate {
			return
		}
		m.Named, m.Position, m.Data = m.ID != "", receipt.Position, slices.Clone(m.Data)
		r.all = append(r.all, &m)
	})
	return receipt, err
}
