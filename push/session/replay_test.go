package session_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// TestReplayFitsAnyQueue has a replay that is larger than the client's queue. The
// client reads, so it isn't slow.
func TestReplayFitsAnyQueue(t *testing.T) {
	for _, queue := range []broker.Limit{{Messages: 4}, {Bytes: 4 * 100}, {Messages: 1, Bytes: 1}} {
		t.Run(fmt.Sprint(queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{QueueMessages: queue.Messages, QueueBytes: queue.Bytes})
				defer w.shutdown()
				before, want := w.cursor("a"), "hello"
				for i := range 20 {
					w.publish("a", fmt.Sprint(i))
					want += fmt.Sprint(" ", i)
				}
				c := newConn()
				w.subscribe(w.open(c), before, "a")
				synctest.Wait()
				w.publish("a", "live")
				synctest.Wait()
				if got := c.take(); got != "["+want+" live]" {
					_, reason := c.end()
					t.Errorf("got %s, ended with %v", got, reason)
				}
			})
		})
	}
}

// TestCursorAheadOfThisInstance has a client that got messages from an instance
// that the broker told of them sooner.
func TestCursorAheadOfThisInstance(t *testing.T) {
	tests := []struct {
		name  string
		page  push.Page
		early int // messages that come before the broker has answered
		then  func(push.Receiver, []*push.Message)
		want  string
	}{
		{"none yet", push.Page{}, 0, nil, "[hello 6 7]"},
		{"some", push.Page{}, 1, nil, "[hello 6 7]"},
		{"all", push.Page{}, 2, nil, "[hello 6 7]"},
		{"more", push.Page{}, 3, nil, "[hello 6 7]"},
		{"another history", push.Page{Gap: broker.GapFork}, 1, nil, "[hello gap fork 5-3 4 5 6 7]"},
		{"broken off", push.Page{}, 0, func(r push.Receiver, m []*push.Message) {
			r.Break(broker.Gap{Reason: broker.GapTrimmed, Now: m[5].Position})
			r.Receive(m[6])
		}, "[hello gap trimmed 5-6 7]"},
		{"broken off up to its place", push.Page{}, 0, func(r push.Receiver, m []*push.Message) {
			r.Break(broker.Gap{Reason: broker.GapTrimmed, Now: m[4].Position})
			r.Receive(m[5])
			r.Receive(m[6])
		}, "[hello 6 7]"},
		{"trimmed here too", push.Page{Gap: broker.GapTrimmed}, 0, func(r push.Receiver, m []*push.Message) {
			r.Break(broker.Gap{Reason: broker.GapTrimmed, Now: m[5].Position})
			r.Receive(m[6])
		}, "[hello gap trimmed 5-6 7]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				messages := chain(1, 7)
				asked := make(chan struct{})
				broker := &scripted{head: messages[2].Position, since: func(broker.Position) (push.Page, error) {
					<-asked
					return test.page, nil
				}}
				w := newWorld(t, broker, push.Options{})
				defer w.shutdown()
				c := newConn()
				w.subscribe(w.open(c), cursor.Format("a", messages[4].Position), "a")
				r := broker.receiver()
				next := 3
				for range test.early {
					r.Receive(messages[next])
					next++
				}
				close(asked)
				synctest.Wait()
				if test.then != nil {
					test.then(r, messages)
					next = len(messages)
				}
				for ; next < len(messages); next++ {
					r.Receive(messages[next])
				}
				synctest.Wait()
				if got := c.take(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}

// TestReplayWithoutAnnouncement: a transport may have nothing to say before the replay.
func TestReplayWithoutAnnouncement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		since := w.cursor("a")
		w.publish("a", "1")
		c := newConn()
		w.open(c).Subscribe(t.Context(), []session.Follow{{Topic: "a", Since: since}}, func([]session.Followed) *session.Frame { return nil })
		synctest.Wait()
		w.publish("a", "2")
		synctest.Wait()
		if got := c.take(); got != "[1 2]" {
			t.Errorf("got %s", got)
		}
	})
}
