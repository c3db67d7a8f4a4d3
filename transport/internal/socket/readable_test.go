//go:build unix

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestReadableNow(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		peer.Write([]byte("x"))
		eventually(t, "the byte", func() bool { return hasInput(s) })
		var c calls
		s.OnReadable(c.f)
		c.once(t)
	})
}

// TestReadableLater waits again and again, and each time for what comes then.
func TestReadableLater(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		for range 50 {
			var early, called atomic.Bool
			s.OnReadable(func() {
				early.Store(!hasInput(s))
				called.Store(true)
			})
			runtime.Gosched()
			if called.Load() {
				t.Fatal("called with nothing to read")
			}
			peer.Write([]byte("x"))
			eventually(t, "the call", called.Load)
			if early.Load() {
				t.Fatal("called before there was something to read")
			}
			if n, err := s.conn.Read(make([]byte, 8)); n != 1 || err != nil {
				t.Fatalf("read %d bytes, %v", n, err)
			}
		}
	})
}

// TestReadableTwice leaves what it was called for where it is.
func TestReadableTwice(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		peer.Write([]byte("x"))
		for range 3 {
			var c calls
			s.OnReadable(c.f)
			c.once(t)
		}
	})
}

func TestReadableWhenPeerCloses(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		var c, after calls
		s.OnReadable(c.f)
		peer.Close()
		c.once(t)
		if _, err := s.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("read: %v", err)
		}
		s.OnReadable(after.f)
		after.once(t)
	})
}

func TestReadableWhenReset(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		var c calls
		s.OnReadable(c.f)
		byEpoll := s.waitsByEpoll()
		reset(t, s, peer)
		c.once(t)
		_, err := s.conn.Read(make([]byte, 1))
		if err == nil || byEpoll && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("read: %v", err)
		}
	})
}

func TestReadableWhenClosed(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, _ := dial()
		read := make(chan error, 2)
		s.OnReadable(func() {
			_, err := s.conn.Read(make([]byte, 1))
			read <- err
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("read: %v", err)
		}
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("second Close: %v", err)
		}
		var after calls
		s.OnReadable(after.f)
		after.once(t)
		if len(read) > 0 {
			t.Fatal("called twice")
		}
	})
}

// TestCloseBeforeReadable closes a socket that has never waited.
func TestCloseBeforeReadable(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, _ := dial()
		s.Close()
		var c calls
		s.OnReadable(c.f)
		c.once(t)
	})
}

func TestReadDeadline(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		read := make(chan error, 2)
		f := func() {
			_, err := s.conn.Read(make([]byte, 8))
			read <- err
		}
		// While f waits, and when it has passed before.
		for range 2 {
			s.OnReadable(f)
			s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("read: %v", err)
			}
		}
		s.OnReadable(f)
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read after the deadline: %v", err)
		}
		// Lifted, and moved so far that only the byte can be the reason.
		for _, at := range []time.Time{{}, time.Now().Add(time.Hour)} {
			s.SetReadDeadline(at)
			early := make(chan bool, 2)
			s.OnReadable(func() { early <- !hasInput(s) })
			runtime.Gosched()
			peer.Write([]byte("x"))
			if <-early {
				t.Fatal("called for a deadline that was moved")
			}
			s.OnReadable(f)
			if err := <-read; err != nil {
				t.Fatalf("read without a deadline: %v", err)
			}
			s.SetReadDeadline(time.Now())
			s.OnReadable(f)
			if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("read: %v", err)
			}
		}
	})
}

// TestReadableWhileClosing begins to wait in the middle of Close.
func TestReadableWhileClosing(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		s, _ := dial()
		var before, during calls
		s.OnReadable(before.f)
		s.conn = closing{s.conn, func() { s.OnReadable(during.f) }}
		s.Close()
		before.once(t)
		during.once(t)
	})
}

// closing does something else first when it is closed.
type closing struct {
	net.Conn
	first func()
}

func (c closing) Close() error {
	c.first()
	return c.Conn.Close()
}

// TestManyAreReadableAtOnce is more than the poller fetches at a time.
func TestManyAreReadableAtOnce(t *testing.T) {
	const many = 2000
	everyWay(t, func(t *testing.T, dial dialer) {
		var peers [many]net.Conn
		var called [many]calls
		var all sync.WaitGroup
		all.Add(many)
		for i := range many {
			s, peer := dial()
			peers[i] = peer
			s.OnReadable(func() {
				called[i].f()
				all.Done()
			})
		}
		for i, peer := range peers {
			if i%2 == 0 {
				peer.Write([]byte("x"))
			} else {
				peer.Close()
			}
		}
		all.Wait()
		for i := range called {
			called[i].stillOnce(t)
		}
	})
}

func hasInput(s *Socket) (yes bool) {
	s.raw.Control(func(fd uintptr) { yes = readable(fd) })
	return yes
}
