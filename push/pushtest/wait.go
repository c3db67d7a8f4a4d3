package pushtest

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// patience is how long a test waits for what must come. It is what a failed expectation
// costs outside of a bubble, and long enough for a machine that is very busy.
const patience = 10 * time.Second

// board is what goroutines tell each other of, and wait for.
type board struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// update changes what the board guards.
func (b *board) update(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// wait waits until a condition holds that is asked with the board locked, and reports
// whether it does before patience is over.
func (b *board) wait(condition func() bool) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	return waitUntil(b, timeout.C, condition)
}

// waitUntil is wait until something comes from a channel, or it is closed.
func waitUntil[T any](b *board, end <-chan T, condition func() bool) bool {
	for {
		b.mu.Lock()
		if condition() {
			b.mu.Unlock()
			return true
		}
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-end:
			return false
		}
	}
}

// inBubble reports whether this goroutine is in a bubble of testing/synctest, and which, as
// stacks say it.
func inBubble() (bubble string, ok bool) {
	head := make([]byte, 256)
	head = head[:runtime.Stack(head, false)]
	head, _, _ = bytes.Cut(head, []byte("\n"))
	return bubbleIn(string(head))
}

// bubbleIn finds the bubble in the first line of a goroutine's stack.
func bubbleIn(line string) (bubble string, ok bool) {
	_, rest, ok := strings.Cut(line, "synctest bubble ")
	bubble, _, _ = strings.Cut(rest, "]")
	return bubble, ok
}

var errBubble = errors.New("it was made in another bubble of testing/synctest, or outside of this one: " +
	"make hub and clients in the function that synctest.Test calls")

// settle waits, in a bubble, until nothing moves any more but by the clock: what was
// published has been delivered by then. Elsewhere it does nothing.
func settle(t testing.TB) {
	t.Helper()
	if _, ok := inBubble(); ok {
		synctest.Wait()
	}
}
