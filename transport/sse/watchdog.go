package sse

import (
	"sync"
	"sync/atomic"
	"time"
)

// watchdog aborts writes that take too long. A deadline for each write would cost as
// much as a short write: over HTTP/2 it goes to the connection's own goroutine, and has
// to be lifted again so that it doesn't end a quiet stream.
//
// A stream notes itself when it writes, and stays noted until the watchdog has found
// it quiet. So one that is busy comes here once a timeout, and an idle one not at all.
type watchdog struct {
	timeout time.Duration
	born    time.Time // when its clock began

	mu    sync.Mutex // guards the rest
	noted []*conn
	timer *time.Timer // runs while a stream is noted
}

// watch is what a watchdog knows of a stream.
type watch struct {
	since atomic.Int64 // when the write that is under way began, on the watchdog's clock; 0 if none is
	noted atomic.Bool
}

func newWatchdog(timeout time.Duration) *watchdog {
	return &watchdog{timeout: min(timeout, longest), born: time.Now()}
}

// longest is longer than any write takes, and far from the longest Duration.
const longest = 100 * 365 * 24 * time.Hour

// begin notes that a write begins.
func (w *watchdog) begin(c *conn) {
	c.watch.since.Store(max(1, int64(time.Since(w.born))))
	if c.watch.noted.Load() || c.watch.noted.Swap(true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noted = append(w.noted, c)
	if len(w.noted) == 1 {
		w.wait(w.timeout)
	}
}

// end notes that it has ended.
func (*watchdog) end(c *conn) { c.watch.since.Store(0) }

// wait arms the timer. Called with w.mu held.
func (w *watchdog) wait(d time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.check)
		return
	}
	w.timer.Reset(d)
}

// check aborts the writes that are late, and forgets the streams that are quiet.
func (w *watchdog) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Since(w.born)
	next := w.timeout // what begins from now on has that long
	writing := w.noted[:0]
	for _, c := range w.noted {
		c.watch.noted.Store(false)
		since := c.watch.since.Load() // after that, or a write that begins could be missed
		if since == 0 {
			continue
		}
		left := time.Duration(since) + w.timeout - now
		if left <= 0 {
			go c.cut(since) // it may wait for the connection's own goroutine
			continue
		}
		if !c.watch.noted.Swap(true) { // else it has noted itself again, and waits for the lock
			writing = append(writing, c)
			next = min(next, left)
		}
	}
	clear(w.noted[len(writing):])
	if w.noted = writing; len(writing) > 0 {
		w.wait(next)
	}
}

// cut makes the write fail that began then, if it is still under way.
func (c *conn) cut(since int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch.since.Load() == since && !c.aborted {
		c.aborted, c.late = true, true
		_ = c.out.SetWriteDeadline(longAgo) // fails if nothing can be written anyway
	}
}
