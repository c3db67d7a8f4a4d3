package redisbroker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

const (
	// maxWaiting is how many requests of a pipeline may wait or be under way; more wait
	// for their turn. It bounds what a frozen Redis holds up.
	maxWaiting = 1024
	// maxRoundTrips is how many round trips of a pipeline may be under way.
	maxRoundTrips = 2
	// A round trip takes no more requests once it has this many calls, or bytes.
	maxBatch      = 128
	maxBatchBytes = 256 << 10
	// roundTripTimeout is when a round trip is given up, if the client heeds contexts;
	// otherwise the client's own timeouts do it.
	roundTripTimeout = 5 * time.Second
)

// pipeline sends calls of one kind to one node: what comes while a round trip is under way
// goes with the next. Nothing is delayed when there is nothing to wait for. A node that is
// frozen holds up its own pipelines only.
type pipeline struct {
	send  func(ctx context.Context, calls []*call)
	slots chan struct{}

	mu      sync.Mutex // guards the rest
	waiting []*request
	running int
}

// request is calls that go together.
type request struct {
	calls []*call
	done  chan struct{} // closed when err and the replies may be read
	err   error         // why they weren't sent
}

func newPipeline(send func(context.Context, []*call)) *pipeline {
	return &pipeline{send: send, slots: make(chan struct{}, maxWaiting)}
}

// do sends calls and waits until they are carried out or have failed, which their commands
// say. When the context ends, calls that still wait aren't sent any more; those under way
// may be carried out.
func (p *pipeline) do(ctx context.Context, calls []*call, start func(func()) bool) error {
	r, err := p.submit(ctx, calls, start)
	if err != nil {
		return err
	}
	return p.wait(ctx, r)
}

// submit is the first half of do: the calls are on their way, or there is an error.
func (p *pipeline) submit(ctx context.Context, calls []*call, start func(func()) bool) (*request, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, push.AsError(ctx.Err())
	}
	r := &request{calls: calls, done: make(chan struct{})}
	if !p.enqueue(r, start) {
		<-p.slots
		return nil, follow.ErrClosed
	}
	return r, nil
}

// wait is the second half of do.
func (p *pipeline) wait(ctx context.Context, r *request) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		p.withdraw(r)
		return push.AsError(ctx.Err())
	}
}

func (p *pipeline) enqueue(r *request, start func(func()) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running < maxRoundTrips {
		if !start(p.run) {
			return false
		}
		p.running++
	}
	p.waiting = append(p.waiting, r)
	return true
}

func (p *pipeline) withdraw(r *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, r); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		<-p.slots
	}
}

// run sends what waits until nothing does.
func (p *pipeline) run() {
	for {
		batch := p.next()
		if batch == nil {
			return
		}
		var calls []*call
		for _, r := range batch {
			calls = append(calls, r.calls...)
		}
		ctx, cancel := context.WithTimeout(context.Background(), roundTripTimeout)
		p.send(ctx, calls)
		cancel()
		p.finish(batch, nil)
		if err := unconnected(calls[0]); err != nil {
			// What waits would fail the same way, only later.
			p.finish(p.takeAll(), err)
		}
	}
}

// finish ends requests.
func (p *pipeline) finish(requests []*request, err error) {
	for _, r := range requests {
		r.err = err
		close(r.done)
		<-p.slots
	}
}

// takeAll takes what waits.
func (p *pipeline) takeAll() []*request {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.waiting
	p.waiting = nil
	return waiting
}

// next takes the requests of one round trip; nil ends the goroutine.
func (p *pipeline) next() []*request {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, calls, size := 0, 0, 0
	for n < len(p.waiting) && calls < maxBatch && size < maxBatchBytes {
		for _, c := range p.waiting[n].calls {
			calls, size = calls+1, size+c.size
		}
		n++
	}
	if n == 0 {
		p.running--
		return nil
	}
	batch := slices.Clone(p.waiting[:n])
	p.waiting = slices.Delete(p.waiting, 0, n)
	return batch
}

// pipelines are those of one broker.
type pipelines struct {
	mu     sync.Mutex // guards the rest
	byKey  map[pipelineKey]*pipeline
	closed bool
	work   sync.WaitGroup
}

// pipelineKey is where a pipeline leads, and what it carries.
type pipelineKey struct{ node, what string }

// at returns a pipeline, which send serves if it is new.
func (ps *pipelines) at(key pipelineKey, send func(context.Context, []*call)) *pipeline {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.byKey[key]
	if p == nil {
		if ps.byKey == nil {
			ps.byKey = map[pipelineKey]*pipeline{}
		}
		p = newPipeline(send)
		ps.byKey[key] = p
	}
	return p
}

// start runs a goroutine of a pipeline, unless the pipelines are closed, which it reports.
func (ps *pipelines) start(f func()) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return false
	}
	ps.work.Go(f)
	return true
}

// close waits until nothing is under way, for good.
func (ps *pipelines) close(ctx context.Context) error {
	ps.mu.Lock()
	ps.closed = true
	ps.mu.Unlock()
	return follow.Wait(ctx, &ps.work)
}
