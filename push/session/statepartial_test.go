package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// TestResetEndsThePlace has a client cut right after a reset, and come back to an instance that
// still remembers the place where it was: what the client had there is forgotten, so it gets
// all keys, not only those that have changed since.
func TestResetEndsThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := membroker.New(membroker.Options{Topics: []push.TopicRule{
			{Pattern: "s/{x}", State: true, History: broker.History{Messages: 5}},
		}})
		defer store.Close(context.Background())
		here, there := newWorld(t, &shared{Broker: store}, push.Options{}), newWorld(t, &shared{Broker: store}, push.Options{})
		defer here.shutdown()
		defer there.shutdown()
		format := &stateFormat{}
		large := strings.Repeat("x", 6<<10)
		for i := range 10 {
			here.set(fmt.Sprint("k", i), large)
		}
		c, other := newStateClient(), newStateClient()
		leave := func(w *world, c *stateClient) {
			s, _ := w.followState(format, c)
			synctest.Wait()
			s.Close(nil)
			<-s.Done()
		}
		leave(here, c)
		leave(here, other)
		here.set("k0", "a")
		s, _ := here.followState(format, other) // which has the history read, and remembered
		defer s.Close(nil)
		synctest.Wait()
		for i := range 10 {
			here.set("k1", fmt.Sprint(i))
		}
		c.pause = func() time.Duration { return 100 * time.Millisecond }
		_, conn := there.followState(format, c)
		time.Sleep(250 * time.Millisecond) //clock:virtual
		conn.Abort()
		synctest.Wait()
		if c.resets != 1 || c.synced || len(c.values) == 0 {
			t.Fatalf("%d resets, synced %v, %d keys; want it cut within a snapshot", c.resets, c.synced, len(c.values))
		}
		here.followState(format, c)
		time.Sleep(10 * time.Second) //clock:virtual
		here.wantMap("cut after the reset", c)
	})
}
