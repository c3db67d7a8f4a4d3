package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// begin is the place before the first message of a chain.
func begin(messages []*push.Message) broker.Position {
	return broker.Position{Epoch: messages[0].Epoch, Tag: messages[0].PreviousTag}
}

// TestInstanceInAnOldEpoch has an instance that follows the first epoch, messages 1
// to 3, while the broker is in the second, of which clients may know.
func TestInstanceInAnOldEpoch(t *testing.T) {
	old, fresh, third := chain(1, 4), chain(2, 4), chain(3, 2)
	breakTo := func(r push.Receiver, at broker.Position, messages ...*push.Message) {
		r.Break(broker.Gap{Reason: broker.GapEpoch, Now: at})
		for _, m := range messages {
			r.Receive(m)
		}
	}
	tests := []struct {
		name  string
		since broker.Position
		page  push.Page           // what the broker answers
		early func(push.Receiver) // before it has answered
		late  func(push.Receiver) // after
		want  string
	}{
		{
			"client of the new epoch", fresh[1].Position, push.Page{Head: fresh[2].Position, Messages: fresh[2:3]}, nil,
			func(r push.Receiver) {
				r.Receive(old[3])
				breakTo(r, begin(fresh), fresh...)
			},
			"[hello 3 4]",
		},
		{
			"… and the instance comes to it meanwhile", fresh[1].Position, push.Page{Head: fresh[2].Position, Messages: fresh[2:3]},
			func(r push.Receiver) { breakTo(r, begin(fresh), fresh[:3]...) },
			func(r push.Receiver) { r.Receive(fresh[3]) },
			"[hello 3 4]",
		},
		{
			"… exactly to its place", fresh[1].Position, push.Page{Head: fresh[2].Position, Messages: fresh[2:3]},
			func(r push.Receiver) { breakTo(r, fresh[1].Position, fresh[2]) },
			func(r push.Receiver) { r.Receive(fresh[3]) },
			"[hello 3 4]",
		},
		{
			"… past it", fresh[1].Position, push.Page{Head: fresh[1].Position}, nil,
			func(r push.Receiver) { breakTo(r, fresh[2].Position, fresh[3]) },
			"[hello gap trimmed 2-3 4]",
		},
		{
			"client of the old epoch", old[0].Position, push.Page{Head: fresh[0].Position, Gap: broker.GapEpoch}, nil,
			func(r push.Receiver) {
				r.Receive(old[3])
				breakTo(r, begin(fresh), fresh[:2]...)
			},
			"[hello gap epoch 1-1 2]",
		},
		{
			"… whom the instance tells first", old[0].Position, push.Page{Head: fresh[0].Position, Gap: broker.GapEpoch},
			func(r push.Receiver) { breakTo(r, begin(fresh), fresh[0]) },
			func(r push.Receiver) { r.Receive(fresh[1]) },
			"[hello gap epoch 1-0 1 2]",
		},
		{
			"client of an epoch before", third[0].Position, push.Page{Head: old[2].Position, Gap: broker.GapEpoch}, nil,
			func(r push.Receiver) { r.Receive(old[3]) },
			"[hello gap epoch 1-3 4]",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := make(chan struct{})
				broker := &scripted{head: old[2].Position, since: func(broker.Position) (push.Page, error) {
					<-asked
					return test.page, nil
				}}
				w := newWorld(t, broker, push.Options{})
				defer w.shutdown()
				c := newConn()
				w.subscribe(w.open(c), cursor.Format("a", test.since), "a")
				r := broker.receiver()
				if test.early != nil {
					test.early(r)
					synctest.Wait()
				}
				close(asked)
				synctest.Wait()
				test.late(r)
				synctest.Wait()
				if got := c.take(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}

// TestClientAheadIsNotForgotten has a client that is ahead of an instance whose
// history goes another way, or stays where it is. It must come back and ask again,
// and not wait for ever for a message that won't come.
func TestClientAheadIsNotForgotten(t *testing.T) {
	messages, other := chain(1, 6), chain(1, 6)
	for _, m := range other[3:] {
		m.Tag, m.PreviousTag = m.Tag+1000, m.PreviousTag+1000
	}
	other[3].PreviousTag = messages[2].Tag
	tests := []struct {
		name string
		then func(push.Receiver)
	}{
		{"another way", func(r push.Receiver) {
			for _, m := range other[3:5] {
				r.Receive(m)
			}
		}},
		{"no way", func(push.Receiver) { time.Sleep(time.Minute) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broker := &scripted{head: messages[2].Position, since: func(broker.Position) (push.Page, error) {
					return push.Page{Head: messages[4].Position}, nil
				}}
				w := newWorld(t, broker, push.Options{})
				defer w.shutdown()
				c := newConn()
				s := w.open(c)
				w.subscribe(s, cursor.Format("a", messages[4].Position), "a")
				synctest.Wait()
				test.then(broker.receiver())
				synctest.Wait()
				if ended, reason := c.end(); !ended || reason == nil || reason.Code != push.CodeUnavailable {
					t.Errorf("ended %v with %v; got %s", ended, reason, c.take())
				}
			})
		})
	}
}
