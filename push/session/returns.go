package session

import (
	"sync"
	"time"
)

// returns counts the clients that have got an answer and are to come back for the next, by
// where they are: to come back is no opening of a connection. Each of them was counted when
// it came first, so there are never more than Limits.Opens has let in.
type returns struct {
	counts bool // static: Limits.Opens holds

	mu         sync.Mutex // guards the rest; innermost
	young, old map[source]int
	turned     time.Duration // when young was begun, on the hub's clock
}

// returnTime is how long a client is expected at least, and half of how long at most.
const returnTime = 10 * time.Second

// expect counts a client that is to come back.
func (t *returns) expect(from source, now time.Duration) {
	if !t.counts {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	t.young[from]++
}

// take reports whether a client from there was expected, of which there is one less then.
func (t *returns) take(from source, now time.Duration) bool {
	if !t.counts {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	for _, expected := range []map[source]int{t.old, t.young} {
		if n := expected[from]; n > 1 {
			expected[from] = n - 1
			return true
		} else if n == 1 {
			delete(expected, from)
			return true
		}
	}
	return false
}

// turn forgets the clients that haven't come. Called with t.mu held.
func (t *returns) turn(now time.Duration) {
	switch passed := now - t.turned; {
	case t.young == nil, passed >= 2*returnTime:
		t.young, t.old, t.turned = map[source]int{}, nil, now
	case passed >= returnTime:
		t.young, t.old, t.turned = map[source]int{}, t.young, now
	}
}
