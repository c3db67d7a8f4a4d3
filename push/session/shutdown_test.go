package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// lateBroker takes its time to subscribe, and notes what is asked of it after Close.
type lateBroker struct {
	push.Broker
	t      *testing.T
	closed bool
}

func (b *lateBroker) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	time.Sleep(50 * time.Millisecond) //clock:virtual
	return b.Broker.Subscribe(ctx, topic, r)
}

func (b *lateBroker) Unsubscribe(topic string, r push.Receiver) {
	if b.closed {
		b.t.Error("Unsubscribe after Close")
	}
	b.Broker.Unsubscribe(topic, r)
}

func (b *lateBroker) Close(ctx context.Context) error {
	b.closed = true
	return b.Broker.Close(ctx)
}

func TestShutdownWaitsForSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &lateBroker{Broker: membroker.New(), t: t}, push.Options{})
		s := w.open(newConn())
		subscribed := make(chan struct{})
		go func() {
			defer close(subscribed)
			s.Subscribe(t.Context(), []session.Follow{{Topic: "a"}}, func([]session.Followed) *session.Frame { return nil })
		}()
		synctest.Wait()
		w.shutdown()
		if topics := w.hub.Stats().Topics; topics != 0 {
			t.Errorf("%d topics are left", topics)
		}
		<-subscribed
	})
}
