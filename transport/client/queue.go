package client

import (
	"context"
	"sync"
)

// queue is what waits for one subscription: one goroutine adds, any number take.
type queue struct {
	limit int // in bytes

	mu     sync.Mutex // guards the rest
	events []Event
	bytes  int
	cursor string // after the last event that was taken
	err    error  // comes after the events
	gone   bool   // nobody takes what is left

	ready, room chan struct{} // of one: something may have changed
}

func newQueue(limit int, cursor string) *queue {
	return &queue{limit: limit, cursor: cursor, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// add waits for room, and reports false if the context has ended before, and the event
// isn't in the queue. What is added after the end is dropped.
func (q *queue) add(ctx context.Context, e Event) bool {
	for {
		q.mu.Lock()
		ended := q.err != nil
		fits := len(q.events) == 0 || q.bytes+e.size() <= q.limit
		if fits && !ended {
			q.events = append(q.events, e)
			q.bytes += e.size()
			signal(q.ready)
		}
		q.mu.Unlock()
		if fits || ended {
			return true
		}
		select {
		case <-q.room:
		case <-ctx.Done():
			return false
		}
	}
}

// take waits for the next event.
func (q *queue) take(ctx context.Context) (Event, error) {
	for {
		e, ok, err := q.poll()
		if ok || err != nil {
			return e, err
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

func (q *queue) poll() (e Event, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.events) > 0 && !q.gone:
		e = q.events[0]
		q.events[0] = Event{}
		q.events = q.events[1:]
		q.bytes -= e.size()
		if e.Cursor != "" {
			q.cursor = e.Cursor
		}
		signal(q.room)
	case q.err != nil:
		signal(q.ready) // for the next that waits
		return Event{}, false, q.err
	default:
		return Event{}, false, nil
	}
	if len(q.events) > 0 || q.err != nil {
		signal(q.ready)
	}
	return e, true, nil
}

// locate notes where the topic begins, if nothing waits that comes before it.
func (q *queue) locate(cursor string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == 0 {
		q.cursor = cursor
	}
}

func (q *queue) taken() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cursor
}

func (q *queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// end lets take return err, after what waits, or at once if that is dropped.
func (q *queue) end(err error, drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	if drop {
		q.gone, q.events, q.bytes = true, nil, 0
	}
	signal(q.ready)
	signal(q.room)
}

// signal leaves a note in a channel of one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
