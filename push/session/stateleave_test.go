package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// slowReplays is a broker with states that takes a second for a read of history.
type slowReplays struct{ *membroker.Broker }

func (b *slowReplays) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	time.Sleep(time.Second) //clock:virtual
	return b.Broker.Since(ctx, topic, after, limit)
}

// TestStateIsLeftBeforeItIsTold: a client leaves a state while it is still to be told what is
// there, or what has changed. It gets nothing of it, its connection goes on, and nothing of
// what it lacked stays counted.
func TestStateIsLeftBeforeItIsTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pause  time.Duration // of a write
		before bool          // the client has been there before
	}{
		{"before the snapshot", time.Second, false},
		{"before what it has missed", time.Second, true},
		{"while that is read", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true}}})
				w, format := newWorld(t, &slowReplays{b}, push.Options{}), &stateFormat{}
				defer w.shutdown()
				w.set("a", "1")
				c := newStateClient()
				if tt.before {
					s, _ := w.followState(format, c)
					time.Sleep(time.Second)
					s.Close(nil)
					<-s.Done()
				}
				time.Sleep(10 * time.Second) // what lingers is gone
				w.set("a", "2")
				w.set("b", "3")
				c.pause = func() time.Duration { return tt.pause }
				told := c.changes
				s, _ := w.followState(format, c)
				synctest.Wait()
				leave(s, "s/a")
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if c.changes != told || c.synced {
					t.Errorf("it got %d changes", c.changes-told)
				}
				if n := s.Waiting(); n != 0 {
					t.Errorf("%d frames count, and none waits", n)
				}
				w.wantMemory()
				s.Close(nil)
				<-s.Done()
			})
		})
	}
}
