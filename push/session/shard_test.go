package session_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// socketConn is a client behind a socket: it can be written without waiting as long
// as it has room.
type socketConn struct {
	*fakeConn
	room  int              // frames that fit; guarded by fakeConn.mu, as all that follows
	rest  []*session.Frame // what didn't
	tries []int            // how many frames each TryWrite brought
	gate  chan struct{}    // holds up TryWrite, if set
	slow  int              // calls of Write
	both  sync.Mutex       // finds writes that overlap
}

func newSocket(room int) *socketConn { return &socketConn{fakeConn: newConn(), room: room} }

func (c *socketConn) TryWrite(frames []*session.Frame) (bool, error) {
	if !c.both.TryLock() {
		panic("two writes at once")
	}
	defer c.both.Unlock()
	c.mu.Lock()
	gate := c.gate
	c.mu.Unlock()
	if gate != nil {
		<-gate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		panic("TryWrite after End")
	}
	if len(c.rest) > 0 {
		panic("TryWrite before the rest was written")
	}
	c.tries = append(c.tries, len(frames))
	n := min(c.room, len(frames))
	for _, f := range frames[:n] {
		c.got = append(c.got, string(f.Bytes))
	}
	c.room -= n
	c.rest = slices.Clone(frames[n:])
	return len(c.rest) == 0, nil
}

func (c *socketConn) Write(frames []*session.Frame) error {
	if !c.both.TryLock() {
		panic("two writes at once")
	}
	defer c.both.Unlock()
	c.mu.Lock()
	c.slow++
	frames = append(c.rest, frames...)
	c.rest = nil
	c.mu.Unlock()
	return c.fakeConn.Write(frames)
}

func (w *world) openSocket(c *socketConn) *session.Session {
	w.t.Helper()
	s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c, Try: c})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func numbered(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprint("m", i)
	}
	return strings.Join(words, " ")
}

// TestMessagesThatWaitAreWrittenTogether: what comes while a round is under way is one
// write of the next round.
func TestMessagesThatWaitAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := newSocket(1000)
		w.subscribe(w.openSocket(c), "", "a")
		synctest.Wait()
		gate := make(chan struct{})
		c.mu.Lock()
		c.gate = gate
		c.mu.Unlock()
		for i := range 8 {
			w.publish("a", fmt.Sprint("m", i))
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		if got := fmt.Sprint(c.tries); got != "[1 1 7]" {
			t.Errorf("frames by write: %s", got)
		}
		if got := c.take(); got != "[hello "+numbered(8)+"]" {
			t.Errorf("got %s", got)
		}
	})
}

// TestPublisherWaitsForAShardThatIsFarBehind: what is told and not yet handed out has a
// bound, and nothing of it is lost or out of order.
func TestPublisherWaitsForAShardThatIsFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const backlog, messages = 256, 1000
		w := newWorld(t, nil, push.Options{QueueMessages: 2 * messages})
		defer w.shutdown()
		c := newSocket(2 * messages)
		s := w.openSocket(c)
		w.subscribe(s, "", "a")
		synctest.Wait()
		c.take()
		gate := make(chan struct{})
		c.mu.Lock()
		c.gate = gate
		c.mu.Unlock()
		var published atomic.Int64
		go func() {
			for i := range messages {
				w.publish("a", fmt.Sprint("m", i))
				published.Add(1)
			}
		}()
		synctest.Wait()
		// A round has queued as many, the next one has queued as many more before it writes, and the backlog is full.
		if n := published.Load(); n < backlog || n > 3*backlog+1 {
			t.Errorf("%d are published while none can be handed out", n)
		}
		close(gate)
		synctest.Wait()
		if got := c.take(); got != "["+numbered(messages)+"]" {
			t.Errorf("in the end came %s", got)
		}
	})
}

// TestFullSocketLeavesTheRound: a client that takes nothing more at once is written
// to by a goroutine of its own, in order, and comes back to the round.
func TestFullSocketLeavesTheRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		full, well := newSocket(3), newSocket(1000)
		full.stalled = true
		for _, c := range []*socketConn{full, well} {
			w.subscribe(w.openSocket(c), "", "a")
		}
		for i := range 8 {
			w.publish("a", fmt.Sprint("m", i))
			synctest.Wait()
		}
		if got := well.take(); got != "[hello "+numbered(8)+"]" {
			t.Errorf("beside a full one came %s", got)
		}
		if got := full.take(); got != "[hello m0 m1]" {
			t.Errorf("before it was full came %s", got)
		}
		full.mu.Lock()
		full.room, full.stalled = 1000, false
		full.mu.Unlock()
		full.Abort() // resumes what waits
		synctest.Wait()
		w.publish("a", "m8")
		synctest.Wait()
		if got := full.take(); got != "["+strings.TrimPrefix(numbered(9), "m0 m1 ")+"]" {
			t.Errorf("after it came %s", got)
		}
		if full.slow != 1 || len(full.rest) > 0 {
			t.Errorf("%d writes that waited, %d frames left", full.slow, len(full.rest))
		}
	})
}

// TestFullSocketIsCut: what the client holds up is bounded like any other's.
func TestFullSocketIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{QueueMessages: 5})
		defer w.shutdown()
		c := newSocket(1)
		c.stalled = true
		w.subscribe(w.openSocket(c), "", "a")
		for i := range 6 {
			w.publish("a", fmt.Sprint("m", i))
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		if ended, reason := c.end(); !ended || reason == nil || reason.Code != push.CodeSlowConsumer {
			t.Errorf("ended %v, %v", ended, reason)
		}
	})
}

// TestIdleSessionsHaveNoGoroutine: neither waiting nor heartbeats need one.
func TestIdleSessionsHaveNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		before := runtime.NumGoroutine()
		conns := make([]*socketConn, 500)
		for i := range conns {
			conns[i] = newSocket(1000)
			s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: conns[i], Try: conns[i], Heartbeat: word("beat"), Interval: 10 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			w.subscribe(s, "", "a")
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		w.publish("a", "m")
		synctest.Wait()
		if now := runtime.NumGoroutine(); now > before+len(conns)/10 { // the runtime may have some of its own
			t.Errorf("%d goroutines, %d before", now, before)
		}
		for _, c := range conns {
			if got := c.take(); strings.Count(got, "beat") < 9 || !strings.HasSuffix(got, "m]") {
				t.Fatalf("got %s", got)
			}
		}
	})
}

// TestNewcomerIsNotToldTwice: what its feed had told before isn't for a client that comes
// while a shard hasn't handed it out yet: it is behind the client's place.
func TestNewcomerIsNotToldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		var early, late []*socketConn // of all shards
		gate := make(chan struct{})
		for range 4 * runtime.GOMAXPROCS(0) {
			c := newSocket(1000)
			w.subscribe(w.openSocket(c), "", "a", "b")
			synctest.Wait()
			c.mu.Lock()
			c.gate = gate
			c.mu.Unlock()
			early = append(early, c)
		}
		w.publish("b", "held") // holds up every shard, in a topic of its own
		synctest.Wait()
		w.publish("a", "m0")
		for range early {
			c := newSocket(1000)
			w.subscribe(w.openSocket(c), "", "a")
			late = append(late, c)
		}
		w.publish("a", "m1")
		close(gate)
		synctest.Wait()
		for i := range early {
			if got := early[i].take(); got != "[hello held m0 m1]" {
				t.Errorf("who was there got %s", got)
			}
			if got := late[i].take(); got != "[hello m1]" {
				t.Errorf("who came got %s", got)
			}
		}
	})
}
