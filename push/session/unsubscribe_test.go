package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// slowEnd is a broker that takes its time for Unsubscribe.
type slowEnd struct {
	push.Broker
	begun, may chan struct{}
}

func (b *slowEnd) Unsubscribe(topic string, r push.Receiver) {
	if topic == "a" {
		close(b.begun)
		<-b.may
	}
	b.Broker.Unsubscribe(topic, r)
}

// TestShutdownWaitsForUnsubscribe: a topic that a client leaves while the hub drains is
// unsubscribed before the broker is closed, even if the session has ended meanwhile.
func TestShutdownWaitsForUnsubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &slowEnd{membroker.New(), make(chan struct{}), make(chan struct{})}
		w := newWorld(t, b, push.Options{})
		c := stalledConn()
		s := w.open(c)
		w.subscribe(s, "", "a")
		w.hub.Drain()
		synctest.Wait()
		left := make(chan struct{})
		go func() {
			defer close(left)
			leave(s, "a")
		}()
		<-b.begun
		c.Abort()
		<-s.Done()
		down := make(chan struct{})
		go func() {
			defer close(down)
			w.shutdown()
		}()
		time.Sleep(time.Second) // the drain itself is over
		select {
		case <-down:
			t.Error("Shutdown doesn't wait")
		default:
		}
		close(b.may)
		<-left
		<-down
	})
}

// TestNothingNeedBeAnnounced: a transport may subscribe and unsubscribe without a frame.
func TestNothingNeedBeAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := newConn()
		s := w.open(c)
		s.Subscribe(t.Context(), []session.Follow{{Topic: "a"}}, nil)
		w.publish("a", "1")
		synctest.Wait()
		s.Unsubscribe([]string{"a"}, nil)
		w.publish("a", "2")
		synctest.Wait()
		wantEnd(t, "without announcements", c, "[1]", "")
	})
}

// TestReadThatNobodyNeedsMayFail has history fail while it is read for a client that doesn't
// need it any more: the session stays.
func TestReadThatNobodyNeedsMayFail(t *testing.T) {
	for _, tt := range []struct {
		name      string
		meanwhile func(s *session.Session, r push.Receiver)
		want      string
	}{
		{"the client has left", func(s *session.Session, _ push.Receiver) { leave(s, "a") }, "[hello bye still]"},
		{"a gap is told instead", func(_ *session.Session, r push.Receiver) {
			r.Break(broker.Gap{Reason: broker.GapEpoch, Now: broker.Position{Epoch: 2, Offset: 7, Tag: 1}})
		}, "[hello gap epoch 2-7 still]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &scripted{head: broker.Position{Epoch: 1, Offset: 5, Tag: 5}}
				b.since = func(broker.Position) (push.Page, error) {
					time.Sleep(settle / 2) //clock:virtual
					return push.Page{}, errors.New("down")
				}
				w := newWorld(t, b, push.Options{})
				defer w.shutdown()
				c := newConn()
				s := w.open(c)
				w.subscribe(s, cursor.Format("a", broker.Position{Epoch: 1, Offset: 2, Tag: 2}), "a")
				synctest.Wait()
				tt.meanwhile(s, b.receiver())
				w.settle()
				s.Send(word("still"))
				synctest.Wait()
				wantEnd(t, tt.name, c, tt.want, "")
			})
		})
	}
}
