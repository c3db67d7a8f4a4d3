package websocket

import (
	"context"
	"net"
	"os"
	"sync"
	"time"
)

// lock is a mutex to wait for with a context, a time limit or until the
// connection is gone. The zero value is unlocked.
type lock struct {
	mu    sync.Mutex
	held  bool
	freed chan struct{} // closed by unlock; nil if nobody waits
}

// try takes the lock if nobody has it, and else gives a channel that is closed
// when it is worth trying again.
func (l *lock) try(wait bool) (taken bool, freed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		l.held = true
		return true, nil
	}
	if wait && l.freed == nil {
		l.freed = make(chan struct{})
	}
	return false, l.freed
}

func (l *lock) unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = false
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// acquire takes l, which is one of c's. timeout limits the wait unless it is 0.
func (c *Conn) acquire(ctx context.Context, l *lock, timeout time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if taken, _ := l.try(false); taken {
		return nil
	}
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		taken, freed := l.try(true)
		if taken {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.done.wait():
			return net.ErrClosed
		case <-expired:
			return os.ErrDeadlineExceeded
		}
	}
}
