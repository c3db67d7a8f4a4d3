package socket

import (
	"sync"
	"time"
)

// watch is a socket's part in waiting. Whoever takes f out of it calls it, so
// that f is called once, however many reasons there are.
//
// mu is taken before the lock of the pollers, never after.
type watch struct {
	mu       sync.Mutex
	f        func()      // who waits
	deadline *time.Timer // at the read deadline, or nil
	poller   *poller     // from the first wait to Close, or nil
	key      int32       // in the poller
	waits    int32       // numbers the waits, because an event belongs to one
	expired  bool        // the read deadline has passed
	closed   bool
}

// take returns who waits, if anybody does. mu is held.
func (w *watch) take() (f func()) {
	f, w.f = w.f, nil
	return f
}

// start calls f as the promise says, if there is one.
func start(f func()) {
	if f != nil {
		go f()
	}
}

func (s *Socket) wait(f func()) {
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.f != nil:
		panic("socket: OnReadable while another one waits")
	case w.closed || w.expired:
		start(f)
	case s.arm():
		w.f = f // whoever brings the event waits for mu
	default:
		s.waitAsleep(f)
	}
}

// arm has the kernel send one event for a new wait. It does so at once if there
// is something to read already. It returns false if there is no epoll for this
// socket. watch.mu is held.
func (s *Socket) arm() bool {
	w := &s.watch
	w.waits++
	if w.poller != nil {
		return w.poller.change(s, rearm) == nil
	}
	if !enter(s) {
		return false
	}
	if w.poller.change(s, add) != nil {
		w.poller.leave(s)
		w.poller = nil
		return false
	}
	return true
}

// readable is told of the event of one wait. It may come late: after the
// deadline has ended that wait, and in the middle of another.
func (w *watch) readable(wait int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waits == wait {
		start(w.take())
	}
}

func (s *Socket) setReadDeadline(t time.Time) error {
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deadline != nil {
		w.deadline.Stop()
		w.deadline = nil
	}
	w.expired = false
	if err := s.conn.SetReadDeadline(t); err != nil || t.IsZero() || w.closed {
		return err
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(t), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.expire(timer)
	})
	w.deadline = timer
	return nil
}

// expire is told by the timer of a deadline that it has passed. mu is held.
func (w *watch) expire(timer *time.Timer) {
	if w.deadline == timer { // it wasn't moved meanwhile
		w.expired = true
		start(w.take())
	}
}

// close takes the socket out of the kernel's set while it still has its
// descriptor: that number may belong to another one a moment later.
func (s *Socket) close() error {
	w := &s.watch
	w.mu.Lock()
	f, p := w.take(), w.poller
	if p != nil {
		_ = p.change(s, remove) // fails if the connection was closed behind our back, which removed it too
	}
	if w.deadline != nil {
		w.deadline.Stop()
	}
	w.deadline, w.poller, w.closed = nil, nil, true
	w.mu.Unlock()

	err := s.conn.Close()
	start(f)
	if p != nil {
		p.leave(s)
	}
	return err
}
