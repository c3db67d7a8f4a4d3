package websocket

import "sync"

// event is something that happens once. The zero value hasn't happened.
type event struct {
	mu       sync.Mutex
	happened bool
	waited   chan struct{} // closed when it happens; nil if nobody has asked
}

// happen wakes all waiters.
func (e *event) happen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.happened = true
	if e.waited != nil {
		close(e.waited)
	}
}

// wait gives a channel that is closed when it has happened.
func (e *event) wait() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waited == nil {
		e.waited = make(chan struct{})
		if e.happened {
			close(e.waited)
		}
	}
	return e.waited
}
