package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// silentConn takes everything.
type silentConn struct{}

func (silentConn) Write([]*Frame) error { return nil }
func (silentConn) End(*push.Error)      {}
func (silentConn) Abort()               {}

// TestInstanceComesJustInTime: an instance that comes to where the client is at the very
// moment when its time is up doesn't send the client away.
func TestInstanceComesJustInTime(t *testing.T) {
	for name, late := range map[string]bool{"in time": false, "not at all": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Host{options: push.Options{BrokerTimeout: time.Second}}
				s := &Session{hub: h, conn: silentConn{}, writing: true} // nobody is woken
				sub := &subscription{session: s, feed: &feed{hub: h, topic: "a"}, catchUp: &catchUp{}, state: live}
				s.mu.Lock()
				sub.awaitCatchUp(broker.Position{Epoch: 1, Offset: 2})
				time.Sleep(time.Second) // the timer has run out, and waits for the session
				if !late {
					sub.caughtUp()
				}
				s.mu.Unlock()
				synctest.Wait()
				if s.over != late {
					t.Errorf("the session is over: %v", s.over)
				}
			})
		})
	}
}
