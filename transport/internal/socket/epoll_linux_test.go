package socket

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestWaitingCostsNoGoroutine(t *testing.T) {
	dial := newDialer(t, "unix")
	before := runtime.NumGoroutine()
	for range 1000 {
		s, _ := dial()
		s.OnReadable(func() {})
	}
	if n := runtime.NumGoroutine() - before; n > 1 {
		t.Errorf("1,000 sockets wait in %d goroutines", n)
	}
}

func currentPoller() *poller {
	pollers.Lock()
	defer pollers.Unlock()
	return pollers.current
}

func TestPollerEndsWithTheLastSocket(t *testing.T) {
	dial := newDialer(t, "tcp")
	for range 3 {
		a, _ := dial()
		b, _ := dial()
		if currentPoller() != nil {
			t.Fatal("there is a poller for nobody")
		}
		a.OnReadable(func() {})
		b.OnReadable(func() {})
		p := currentPoller()
		a.Close()
		if p == nil || currentPoller() != p {
			t.Fatal("the poller left before the last socket")
		}
		b.Close()
		select {
		case <-p.done:
		default:
			t.Fatal("the goroutine of the poller still runs")
		}
		if currentPoller() != nil {
			t.Fatal("the poller stayed")
		}
	}
}

// TestPollerEndsAndStarts has pollers end while others want to enter.
func TestPollerEndsAndStarts(t *testing.T) {
	var all sync.WaitGroup
	for range 4 {
		dial := newDialer(t, "unix")
		all.Go(func() {
			for range 200 {
				s, peer := dial()
				var c calls
				s.OnReadable(c.f)
				peer.Write([]byte("x"))
				c.once(t)
				s.Close()
				peer.Close()
			}
		})
	}
	all.Wait()
	if currentPoller() != nil {
		t.Error("the last poller stayed")
	}
}

// TestLateEvent is about events that were fetched before something else ended
// their wait.
func TestLateEvent(t *testing.T) {
	s, peer := newDialer(t, "tcp")()
	var first, second calls
	s.OnReadable(first.f)
	wait, p := s.watch.waits, s.watch.poller
	peer.Write([]byte("x"))
	first.once(t)
	s.conn.Read(make([]byte, 1))

	s.OnReadable(second.f)
	s.watch.readable(wait)
	s.watch.mu.Lock()
	if s.watch.f == nil {
		t.Error("the event of the first wait ended the second")
	}
	s.watch.mu.Unlock()

	s.Close()
	second.once(t)
	if p.find(s.watch.key) != nil {
		t.Error("a late event finds a closed socket")
	}
	s.watch.readable(s.watch.waits)
	second.stillOnce(t)
}

// TestOneEventForEachWait leaves the byte that was the reason where it is.
func TestOneEventForEachWait(t *testing.T) {
	s, peer := newDialer(t, "tcp")()
	var c calls
	s.OnReadable(c.f)
	peer.Write([]byte("x"))
	c.once(t)
	events := make([]syscall.EpollEvent, 1)
	if n, err := syscall.EpollWait(s.watch.poller.fd, events, 0); n != 0 || err != nil {
		t.Errorf("%d events while nobody waits, %v", n, err)
	}
}

// TestMoreEventsThanAreFetchedAtOnce come together while the poller is held up.
func TestMoreEventsThanAreFetchedAtOnce(t *testing.T) {
	dial := newDialer(t, "unix")
	var peers [1000]net.Conn
	var all sync.WaitGroup
	for i := range peers {
		var s *Socket
		s, peers[i] = dial()
		all.Add(1)
		s.OnReadable(all.Done)
	}
	pollers.Lock()
	for _, peer := range peers {
		peer.Write([]byte("x"))
	}
	pollers.Unlock()
	all.Wait()
}

// TestCloseLeavesTheKernelsSet has the socket live on by a second descriptor,
// so that closing the first alone wouldn't be enough.
func TestCloseLeavesTheKernelsSet(t *testing.T) {
	dial := newDialer(t, "tcp")
	stays, _ := dial()
	stays.OnReadable(func() {})
	s, _ := dial()
	s.OnReadable(func() {})
	second, err := s.conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	s.Close()
	set, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", stays.watch.poller.fd))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(set, []byte("tfd:")); n != 1 {
		t.Errorf("the kernel watches %d sockets", n)
	}
}

func TestKeysComeRound(t *testing.T) {
	dial := newDialer(t, "tcp")
	first, _ := dial()
	first.OnReadable(func() {})
	first.watch.poller.lastKey = first.watch.key - 1
	second, peer := dial()
	var c calls
	second.OnReadable(c.f)
	if second.watch.key == first.watch.key {
		t.Fatal("two sockets have one key")
	}
	peer.Write([]byte("x"))
	c.once(t)
}

// TestWithoutEpoll has the parts of the kernel's answer go wrong one by one.
func TestWithoutEpoll(t *testing.T) {
	for name, create := range map[string]func(int) (int, error){
		"none to be had":        func(int) (int, error) { return -1, syscall.EMFILE },
		"not for this socket":   func(int) (int, error) { return syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0) },
		"not even a descriptor": func(int) (int, error) { return 1 << 30, nil },
	} {
		t.Run(name, func(t *testing.T) {
			replaceEpoll(t, create)
			dial := newDialer(t, "tcp")
			s, peer := dial()
			var now, closed calls
			s.OnReadable(now.f)
			if currentPoller() != nil || s.waitsByEpoll() {
				t.Fatal("there is a poller")
			}
			peer.Write([]byte("x"))
			now.once(t)
			s.conn.Read(make([]byte, 1))
			s.OnReadable(closed.f)
			s.Close()
			closed.once(t)
		})
	}
}

// TestEpollComesBack waits by the one way and then by the other.
func TestEpollComesBack(t *testing.T) {
	create := createEpoll
	refuseEpoll(t)
	s, peer := newDialer(t, "tcp")()
	for _, byEpoll := range []bool{false, true, true} {
		var c calls
		s.OnReadable(c.f)
		if s.waitsByEpoll() != byEpoll {
			t.Fatalf("waits by epoll: %t", !byEpoll)
		}
		peer.Write([]byte("x"))
		c.once(t)
		s.conn.Read(make([]byte, 1))
		createEpoll = create
	}
}

// TestPollerThatCannotSleep is none: package os can't wait for a plain file.
func TestPollerThatCannotSleep(t *testing.T) {
	replaceEpoll(t, func(int) (int, error) { return syscall.Open(os.Args[0], syscall.O_RDONLY, 0) })
	if p := newPoller(); p != nil {
		p.file.Close()
		t.Error("there is a poller")
	}
}

// TestConnectionClosedBehindItsBack isn't allowed, but must not hurt others.
func TestConnectionClosedBehindItsBack(t *testing.T) {
	dial := newDialer(t, "tcp")
	s, behind := dial()
	var first, second, ours calls
	behind.Write([]byte("x"))
	s.OnReadable(first.f)
	first.once(t)
	s.conn.Close()
	other, peer := dial() // may have the descriptor now
	other.OnReadable(ours.f)
	s.OnReadable(second.f)
	second.once(t)
	s.Close()
	peer.Write([]byte("x"))
	ours.once(t)
}

// TestDeadlineThatWasMoved has its timer come late.
func TestDeadlineThatWasMoved(t *testing.T) {
	s, _ := newDialer(t, "tcp")()
	var c calls
	s.OnReadable(c.f)
	w := &s.watch
	s.SetReadDeadline(time.Now().Add(time.Hour))
	late := w.deadline
	s.SetReadDeadline(time.Now().Add(time.Hour))
	w.mu.Lock()
	w.expire(late)
	if w.f == nil || w.expired {
		t.Error("the old deadline ended the wait")
	}
	w.mu.Unlock()
}

func TestDeadlineAfterCloseHasNoTimer(t *testing.T) {
	s, _ := newDialer(t, "tcp")()
	s.conn = closing{s.conn, func() { s.SetReadDeadline(time.Now().Add(time.Hour)) }}
	s.Close()
	if s.watch.deadline != nil {
		t.Error("a timer keeps a closed socket")
	}
}

func TestSecondWaitPanics(t *testing.T) {
	s, _ := newDialer(t, "tcp")()
	s.OnReadable(func() {})
	defer func() {
		if recover() == nil {
			t.Error("two may wait")
		}
	}()
	s.OnReadable(func() {})
}
