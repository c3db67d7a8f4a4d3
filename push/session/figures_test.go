package session_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

func (w *world) openOver(transport string, c *fakeConn) *session.Session {
	w.t.Helper()
	s, err := session.Of(w.hub).Open(session.Client{Transport: transport, Format: w.format, Conn: c})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestFiguresAreOfEachTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		first := w.openOver("ws", newConn())
		w.subscribe(first, "", "a", "b")
		w.subscribe(w.openOver("ws", newConn()), "", "a")
		sockets := w.format
		w.format = &fakeFormat{} // each transport has its own
		w.subscribe(w.openOver("", newConn()), "", "b")
		w.format = sockets
		synctest.Wait()
		w.publish("a", "12345")
		w.publish("b", "123")
		synctest.Wait()
		check := func(when string, sessions int) {
			t.Helper()
			s := w.hub.Stats()
			socket, other := s.Transports["ws"], s.Transports["other"]
			if socket.Sessions != sessions || socket.Opened != 2 || socket.Delivered != 3 || socket.Written != 2*5+5+3+5 {
				t.Errorf("%s: %+v", when, socket)
			}
			if other.Sessions != 1 || other.Opened != 1 || other.Delivered != 1 || other.Written != 5+3 {
				t.Errorf("%s, the other transport: %+v", when, other)
			}
			if s.Delivered != 4 || len(s.Transports) != 2 {
				t.Errorf("%s: %+v", when, s)
			}
		}
		check("connected", 2)
		if n := w.hub.Stats().Subscriptions; n != 4 {
			t.Errorf("%d subscriptions", n)
		}
		first.Close(nil)
		synctest.Wait()
		check("one has left", 1)
		if n := w.hub.Stats().Subscriptions; n != 2 {
			t.Errorf("%d subscriptions when one has left", n)
		}
	})
}

func TestTransportsPastTheLastShareItsFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		for i := range 10 {
			w.openOver(fmt.Sprint("t", i), newConn())
		}
		if s := w.hub.Stats(); len(s.Transports) != 8 || s.Transports["t7"].Sessions != 3 || s.Sessions != 10 {
			t.Errorf("%+v", s.Transports)
		}
	})
}

func TestQueuesAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		slow, slower := stalledConn(), stalledConn()
		w.open(slow).Send(word(strings.Repeat("x", 100)))
		s := w.open(slower)
		s.Send(word(strings.Repeat("x", 1000)))
		s.Send(word("y"))
		synctest.Wait()
		const overhead = 64
		if got := w.hub.Stats(); got.Queued != 3 || got.QueuedBytes != 1101+3*overhead || got.DeepestQueue != 1001+2*overhead {
			t.Errorf("%d frames of %d bytes wait, %d for one", got.Queued, got.QueuedBytes, got.DeepestQueue)
		}
		close(slow.resume)
		close(slower.resume)
		synctest.Wait()
		if got := w.hub.Stats(); got.Queued != 0 || got.QueuedBytes != 0 || got.DeepestQueue != 0 {
			t.Errorf("%d frames of %d bytes wait when all is read", got.Queued, got.QueuedBytes)
		}
	})
}

// TestLatencyIsOfLiveMessages: it runs from when a message came until it is written, and a
// replay isn't counted, though the client gets the same frames.
func TestLatencyIsOfLiveMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		time.Sleep(time.Hour)
		since := w.cursor("a")
		slow := stalledConn()
		w.subscribe(w.openOver("slow", slow), "", "a")
		w.publish("a", "m0")
		synctest.Wait()
		time.Sleep(30 * time.Millisecond)
		close(slow.resume)
		synctest.Wait()
		latency := w.hub.Stats().Transports["slow"].Latency
		if latency.Count() != 1 || latency.Sum.Round(time.Millisecond) != 30*time.Millisecond {
			t.Errorf("%v in %d messages, want 30ms in one", latency.Sum, latency.Count())
		}
		late := newConn()
		w.subscribe(w.openOver("late", late), since, "a")
		synctest.Wait()
		if got := late.take(); got != "[hello m0]" {
			t.Errorf("who resumes gets %s", got)
		}
		if n := w.hub.Stats().Transports["late"].Latency.Count(); n != 0 {
			t.Errorf("%d messages of history are counted", n)
		}
		w.publish("a", "m1")
		synctest.Wait()
		if n := w.hub.Stats().Transports["late"].Latency.Count(); n != 1 {
			t.Errorf("%d live messages are counted after the replay, not one", n)
		}
	})
}

// TestLatencyIsSampled: where a shard writes, some writes are timed, the first among them.
func TestLatencyIsSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		w.subscribe(w.openSocket(newSocket(1<<20)), "", "a")
		synctest.Wait()
		const messages = 4000
		for range messages {
			w.publish("a", "x")
			synctest.Wait()
		}
		if n := w.hub.Stats().Transports["other"].Latency.Count(); n < messages/12 || n > messages/5 {
			t.Errorf("%d of %d writes are timed", n, messages)
		}
	})
}

func TestBacklogIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := newSocket(1 << 20)
		w.subscribe(w.openSocket(c), "", "a")
		synctest.Wait()
		gate := make(chan struct{})
		c.mu.Lock()
		c.gate = gate
		c.mu.Unlock()
		for range 8 {
			w.publish("a", "x")
			synctest.Wait()
		}
		if n := w.hub.Stats().Backlog; n != 7 {
			t.Errorf("%d messages wait for the shard, which has one", n)
		}
		close(gate)
		synctest.Wait()
		if n := w.hub.Stats().Backlog; n != 0 {
			t.Errorf("%d messages wait for an idle shard", n)
		}
	})
}

// TestFiguresTakeNoRoom: a session fits the same size class of the allocator as without
// figures, and so does a frame.
func TestFiguresTakeNoRoom(t *testing.T) {
	if session.SessionSize > 376 || session.FrameSize > 64 {
		t.Errorf("a session takes %d bytes, a frame %d", session.SessionSize, session.FrameSize)
	}
}
