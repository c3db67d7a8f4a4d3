package websocket

import (
	"context"
	"sync"
	"time"
)

// longAgo is a deadline that has passed: it ends all waiting for I/O.
var longAgo = time.Unix(1, 0)

// deadline is one direction's I/O deadline. Several parties have a say in it:
// the time that was asked for, a context that ended, which outranks it, and
// the closing of the connection, which lifts both because it has a timer.
type deadline struct {
	conn    *Conn
	writing bool // the direction

	mu      sync.Mutex
	at      time.Time // zero: none
	cuts    int       // contexts that have ended and not been left yet
	closing bool
}

func (d *deadline) apply() error {
	at := d.at
	switch {
	case d.closing:
		at = time.Time{}
	case d.cuts > 0:
		at = longAgo
	}
	return d.conn.setNetDeadline(d.writing, at)
}

// move changes the deadline to at; zero means none.
func (d *deadline) move(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	return d.apply()
}

// passed reports whether a context has ended that is bound.
func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cuts > 0 && !d.closing
}

// lift removes the deadline for good.
func (d *deadline) lift() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = true
	d.apply()
}

func (d *deadline) cut(by int) (closing bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cuts += by
	d.apply()
	return d.closing
}

// bind makes the I/O fail once ctx ends, until release is called. If the
// connection is closing by then, it is dropped instead.
func (d *deadline) bind(ctx context.Context) (release func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		if d.cut(1) {
			d.conn.drop(false)
		}
	})
	return func() {
		if !stop() {
			<-done
			d.cut(-1)
		}
	}
}
