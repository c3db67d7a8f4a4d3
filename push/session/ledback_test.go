package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// unheard is a broker that has more messages than this instance has heard of, and that has
// trimmed the oldest.
type unheard struct {
	*scripted
	epoch    broker.Epoch
	messages []*push.Message
	heard    int // so many messages this instance has received; negative if it is in another epoch
	trimmed  int // so many messages are gone
	meantime int // so many it hears of while history is read
}

func (b *unheard) place(n int) broker.Position {
	if n == 0 {
		return broker.Position{Epoch: b.epoch}
	}
	return b.messages[n-1].Position
}

func (b *unheard) head() broker.Position { return b.place(len(b.messages)) }

func (b *unheard) Since(_ context.Context, _ string, after broker.Position, limit broker.Limit) (push.Page, error) {
	b.isRead()
	switch {
	case after.Epoch != b.epoch:
		return push.Page{Head: b.head(), Gap: broker.GapEpoch}, nil
	case int(after.Offset) < b.trimmed:
		return push.Page{Head: b.head(), Gap: broker.GapTrimmed}, nil
	}
	missed := b.messages[after.Offset:]
	return push.Page{Head: b.head(), Messages: missed[:min(len(missed), limit.Messages)]}, nil
}

func (b *unheard) Recent(_ context.Context, _ string, limit broker.Limit) (push.Page, error) {
	b.isRead()
	return push.Page{Head: b.head(), Messages: b.messages[max(b.trimmed, len(b.messages)-limit.Messages):]}, nil
}

// isRead tells this instance what it hears while history is read.
func (b *unheard) isRead() {
	b.hears(b.meantime)
	time.Sleep(time.Millisecond) //clock:virtual
}

// hears tells this instance of what it hasn't heard, up to a message.
func (b *unheard) hears(upTo int) {
	r := b.receiver()
	if r == nil || upTo <= b.heard {
		return
	}
	if b.trimmed > b.heard {
		reason := broker.GapTrimmed
		if b.heard < 0 {
			reason = broker.GapEpoch
		}
		r.Break(broker.Gap{Reason: reason, Now: b.head()})
		b.heard = len(b.messages)
		return
	}
	for _, m := range b.messages[b.heard:upTo] {
		r.Receive(m)
	}
	b.heard = upTo
}

// comer is a client that comes back to an instance which may be behind it, and of which
// something is trimmed or in memory.
type comer struct {
	heard    int // so many messages the instance has received; negative if it is in another epoch
	place    int // where the client is
	trimmed  int
	recent   int // how many of the last messages the client asks for
	inMemory int // how many another client has asked for, before
	meantime int // what the instance has heard when the client's history is read
	replay   int // Options.ReplayMessages
}

// TestNobodyIsLedBack has clients come back from any place to instances that are behind it or
// not: nothing that a client has comes again, nothing is left out without a gap, and it gets
// to the end.
func TestNobodyIsLedBack(t *testing.T) {
	const all = 6
	random := rand.New(rand.NewPCG(1, 0))
	for range 1500 {
		c := comer{
			heard: random.IntN(all+2) - 1, place: random.IntN(all + 1), trimmed: random.IntN(all + 1), recent: random.IntN(all + 1),
			inMemory: random.IntN(all + 1), meantime: random.IntN(all + 1), replay: 1 + random.IntN(all),
		}
		synctest.Test(t, func(t *testing.T) { c.comes(t, all) })
	}
}

func (c comer) comes(t *testing.T, all int) {
	messages := chain(2, all)
	b := &unheard{scripted: &scripted{}, epoch: 2, messages: messages, heard: c.heard}
	if c.heard < 0 {
		b.epoch, b.messages = 1, chain(1, 3)
	} else {
		b.messages = messages[:c.heard]
	}
	b.scripted.head = b.head()
	w := newWorld(t, b, push.Options{ReplayMessages: c.replay})
	defer w.shutdown()
	if c.inMemory > 0 {
		w.asks(w.open(newConn()), c.inMemory, "", "a")
		w.settle()
	}
	b.epoch, b.messages, b.trimmed = 2, messages, c.trimmed
	b.meantime = c.meantime
	client := newConn()
	w.asks(w.open(client), c.recent, cursor.Format("a", b.place(c.place)), "a")
	w.settle()
	b.hears(all)
	w.settle()
	got := client.take()
	if end, ok := follow(c.place, got); !ok || end != all {
		over, reason := client.end()
		t.Fatalf("%+v: got %s, ended %v, %v", c, got, over, reason)
	}
}

// follow follows what a client got within an epoch, from a place on.
func follow(at int, got string) (end int, ok bool) {
	words := strings.Fields(strings.Trim(got, "[]"))[1:]
	for len(words) > 0 {
		if words[0] == "gap" {
			var last, now int
			if _, err := fmt.Sscanf(words[2], "%d-%d", &last, &now); err != nil || last != at || now <= at || words[1] == "fork" || words[1] == "epoch" {
				return at, false
			}
			at, words = now, words[3:]
			continue
		}
		at++
		if words[0] != fmt.Sprint(at) {
			return at, false
		}
		words = words[1:]
	}
	return at, true
}

// TestOldPlaceIsOfNoHistory has a client come with the place before the first message, which
// is old, to an instance that hears of the topic's epoch while the last messages are read: they
// may be of another history.
func TestOldPlaceIsOfNoHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &unheard{scripted: &scripted{}, epoch: 1, messages: chain(1, 3), heard: -1}
		b.scripted.head = b.head()
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		w.subscribe(w.open(newConn()), "", "a")
		old := cursor.Format("a", broker.Position{Epoch: 2})
		time.Sleep(48 * time.Hour)
		b.epoch, b.messages = 2, chain(2, 3)
		b.meantime = 3
		c := newConn()
		w.asks(w.open(c), 3, old, "a")
		w.settle()
		if got := c.take(); got != "[hello gap trimmed 0-0 1 2 3]" {
			t.Errorf("got %s", got)
		}
	})
}
