package redisbroker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	// maxWaiting is how many parcels of a lane may wait or be under way; more wait
	// for their turn. It bounds what a frozen Redis holds up.
	maxWaiting = 1024
	// maxPipelines is how many pipelines of a lane may be under way.
	maxPipelines = 2
	// A pipeline takes no more parcels once it has this many calls, or bytes.
	maxBatch      = 128
	maxBatchBytes = 256 << 10
	// pipelineTimeout is when a pipeline is given up, if the client heeds it: else
	// after its own timeouts.
	pipelineTimeout = 5 * time.Second
)

// lane sends calls of one kind to one node, in pipelines: what comes while one is
// under way goes with the next. Nothing is delayed when there is nothing to wait
// for. A node that is frozen holds up its own lanes only.
type lane struct {
	send  func(ctx context.Context, calls []*call)
	slots chan struct{}

	mu      sync.Mutex // guards the rest
	waiting []*parcel
	running int
}

// parcel is calls that go together.
type parcel struct {
	calls []*call
	done  chan struct{} // closed when err and the replies may be read
	err   error         // why they weren't sent
}

func newLane(send func(context.Context, []*call)) *lane {
	return &lane{send: send, slots: make(chan struct{}, maxWaiting)}
}

// do sends calls and waits until they are carried out or have failed, which their
// commands tell. When the context ends, calls that still wait aren't sent any more;
// those under way may be carried out.
func (l *lane) do(ctx context.Context, calls []*call, start func(func()) bool) error {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return push.AsError(ctx.Err())
	}
	p := &parcel{calls: calls, done: make(chan struct{})}
	if !l.enqueue(p, start) {
		<-l.slots
		return errClosed
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		l.withdraw(p)
		return push.AsError(ctx.Err())
	}
}

func (l *lane) enqueue(p *parcel, start func(func()) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running < maxPipelines {
		if !start(l.run) {
			return false
		}
		l.running++
	}
	l.waiting = append(l.waiting, p)
	return true
}

func (l *lane) withdraw(p *parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, p); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		<-l.slots
	}
}

// run sends what waits until nothing does.
func (l *lane) run() {
	for {
		batch := l.next()
		if batch == nil {
			return
		}
		var calls []*call
		for _, p := range batch {
			calls = append(calls, p.calls...)
		}
		ctx, cancel := context.WithTimeout(context.Background(), pipelineTimeout)
		l.send(ctx, calls)
		cancel()
		l.finish(batch, nil)
		if err := unconnected(calls[0]); err != nil {
			// What waits would fail the same way, only later.
			l.finish(l.all(), err)
		}
	}
}

// finish hands parcels back.
func (l *lane) finish(parcels []*parcel, err error) {
	for _, p := range parcels {
		p.err = err
		close(p.done)
		<-l.slots
	}
}

// all takes what waits.
func (l *lane) all() []*parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.waiting
	l.waiting = nil
	return waiting
}

// next takes the parcels that go together; nil ends the goroutine.
func (l *lane) next() []*parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, calls, size := 0, 0, 0
	for n < len(l.waiting) && calls < maxBatch && size < maxBatchBytes {
		for _, c := range l.waiting[n].calls {
			calls, size = calls+1, size+c.size
		}
		n++
	}
	if n == 0 {
		l.running--
		return nil
	}
	batch := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	return batch
}

// lanes are those of one broker.
type lanes struct {
	mu     sync.Mutex // guards the rest
	byKind map[laneKind]*lane
	closed bool
	work   sync.WaitGroup
}

// laneKind is where a lane leads, and what it carries.
type laneKind struct{ node, what string }

// at gives a lane, which send serves if it is new.
func (ls *lanes) at(kind laneKind, send func(context.Context, []*call)) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byKind[kind]
	if l == nil {
		if ls.byKind == nil {
			ls.byKind = map[laneKind]*lane{}
		}
		l = newLane(send)
		ls.byKind[kind] = l
	}
	return l
}

// start runs a pipeline's goroutine, unless the lanes are closed.
func (ls *lanes) start(f func()) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed {
		return false
	}
	ls.work.Go(f)
	return true
}

// close waits until nothing is under way, for good.
func (ls *lanes) close(ctx context.Context) error {
	ls.mu.Lock()
	ls.closed = true
	ls.mu.Unlock()
	return wait(ctx, &ls.work)
}
