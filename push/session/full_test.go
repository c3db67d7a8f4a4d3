package session_test

import (
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// TestGapThatFindsAFullQueue: live messages fill a client's queue while the broker is asked
// about its cursor, and then there is a gap to tell. The client is a slow consumer like any
// other, and nothing counts twice.
func TestGapThatFindsAFullQueue(t *testing.T) {
	for _, tt := range []struct {
		name   string
		recent int
	}{{"that is all", 0}, {"before the last messages", 3}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				messages := chain(1, 5)
				asked := make(chan struct{})
				b := &scripted{head: messages[2].Position, since: func(broker.Position) (push.Page, error) {
					<-asked
					return push.Page{Head: messages[2].Position, Gap: broker.GapEpoch}, nil
				}, recent: func(broker.Limit) (push.Page, error) {
					return push.Page{Head: messages[2].Position, Messages: messages[:3]}, nil
				}}
				w := newWorld(t, b, push.Options{QueueMessages: 2})
				defer w.shutdown()
				c := newConn()
				s := w.open(c)
				w.asks(s, tt.recent, cursor.Format("a", broker.Position{Epoch: 9, Offset: 9}), "a")
				synctest.Wait() // the broker is asked
				for _, m := range messages[3:] {
					b.receiver().Receive(m)
				}
				synctest.Wait()
				close(asked)
				synctest.Wait()
				if ended, reason := c.end(); !ended || reason == nil || reason.Code != push.CodeSlowConsumer {
					t.Errorf("ended %v with %v; got %s", ended, reason, c.take())
				}
				if n := s.Waiting(); n != 0 {
					t.Errorf("%d frames count, and none waits", n)
				}
				w.wantMemory()
			})
		})
	}
}
