//clock:virtual

package redisbroker_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// fakePort is one instance's way to the fake Redis: each call takes its time to
// get there and back, and may get lost on either.
type fakePort struct {
	redis *fakeRedis
	name  string
	dead  chan struct{} // closed when the instance is killed
	work  sync.WaitGroup

	// guarded by redis.mu
	calls  map[string]int
	seen   map[string][]push.Position // what the instance knows to be stored, by topic
	closed bool
}

// faults are those of the way, for all instances; guarded by fakeRedis.mu.
type faults struct {
	seed   uint64
	delay  time.Duration // the longest for one way
	thawed chan struct{} // closed when Redis goes on; nil if it isn't frozen
	before int           // so many calls fail, and aren't carried out
	after  int           // so many calls fail, and are carried out
	reads  bool          // only those that read do
	behind bool          // the replica doesn't confirm
	lost   func()        // is called when a message or a call is lost; may be nil
}

var errFake = push.Errorf(push.CodeUnavailable, "the broker can't be reached now", errors.New("simulated"))

func (r *fakeRedis) port(name string) *fakePort {
	return &fakePort{
		redis: r, name: name, dead: make(chan struct{}),
		calls: map[string]int{}, seen: map[string][]push.Position{},
	}
}

// kill makes all calls fail, those under way too.
func (p *fakePort) kill() {
	p.redis.mu.Lock()
	defer p.redis.mu.Unlock()
	p.closed = true
	close(p.dead)
	for line := range p.redis.lines {
		if line.port == p {
			line.breakOff()
		}
	}
}

// time is what one way takes. It depends on nothing but the seed and which call
// it is, so that calls at the same time don't change each other's.
func (f *faults) time(port, what string, n int) time.Duration {
	if f.delay == 0 {
		return 0
	}
	h := f.seed ^ uint64(n)*0x9e3779b97f4a7c15
	for _, text := range []string{port, what} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 0x100000001b3 // FNV-1a
		}
	}
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return time.Duration((h^h>>32)>>1) % (f.delay + 1)
}

type answer[T any] struct {
	value T
	err   error
}

// carry makes a call. When its context ends it is still under way, and may be
// carried out later.
func carry[T any](ctx context.Context, p *fakePort, what string, apply func() (T, error)) (T, error) {
	var none T
	r := p.redis
	r.mu.Lock()
	if p.closed {
		r.mu.Unlock()
		return none, errFake
	}
	n := p.calls[what]
	p.calls[what] = n + 2
	primary := r.primary
	there, back := r.faults.time(p.name, what, n), r.faults.time(p.name, what, n+1)
	before, after := r.faults.fail(what)
	done := make(chan answer[T], 1)
	p.work.Go(func() {
		a := answer[T]{err: errFake}
		if p.wait(there) == nil && !before {
			r.mu.Lock()
			if primary == r.primary { // else the connection is gone with the old one
				a.value, a.err = apply()
			}
			r.mu.Unlock()
		}
		if p.wait(back) != nil || after || !r.isPrimary(primary) {
			a = answer[T]{err: errFake}
		}
		done <- a
	})
	r.mu.Unlock()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return none, push.AsError(ctx.Err())
	}
}

func (r *fakeRedis) isPrimary(primary int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.primary == primary
}

// fail takes what the next call is to suffer.
func (f *faults) fail(what string) (before, after bool) {
	if f.reads && !strings.HasPrefix(what, "read ") {
		return false, false
	}
	if f.lost != nil && f.before+f.after > 0 {
		f.lost()
	}
	switch {
	case f.before > 0:
		f.before--
		return true, false
	case f.after > 0:
		f.after--
		return false, true
	default:
		return false, false
	}
}

// wait waits on the way, and as long as Redis is frozen.
func (p *fakePort) wait(d time.Duration) error {
	if d > 0 {
		select {
		case <-p.dead:
			return errFake
		case <-time.After(d):
		}
	}
	for {
		p.redis.mu.Lock()
		thawed := p.redis.faults.thawed
		p.redis.mu.Unlock()
		if thawed == nil {
			return nil
		}
		select {
		case <-p.dead:
			return errFake
		case <-thawed:
		}
	}
}

// saw notes what the instance has been told, for the oracle: it is a witness of that.
func (p *fakePort) saw(topic string, at push.Position) {
	p.redis.mu.Lock()
	defer p.redis.mu.Unlock()
	p.seen[topic] = append(p.seen[topic], at)
}

func (p *fakePort) Add(ctx context.Context, m *push.Message, repeatable bool, w redisbroker.SimWitness, o redisbroker.SimOrigin) (push.Receipt, error) {
	mine := *m
	receipt, err := carry(ctx, p, "add "+m.Topic, func() (push.Receipt, error) {
		receipt, err := p.redis.add(&mine, repeatable, w, o)
		if err == nil && mine.Replicated {
			if p.redis.faults.behind {
				return receipt, push.ErrNotReplicated
			}
			p.redis.confirm()
		}
		return receipt, err
	})
	if !receipt.Position.IsZero() {
		p.saw(m.Topic, receipt.Position)
	}
	return receipt, err
}

func (p *fakePort) Read(ctx context.Context, topic string, q redisbroker.SimQuery, w redisbroker.SimWitness, o redisbroker.SimOrigin) (push.Page, error) {
	page, err := carry(ctx, p, "read "+topic, func() (push.Page, error) { return p.redis.read(topic, q, w, o) })
	if err == nil {
		p.saw(topic, page.Head)
	}
	return page, err
}

func (p *fakePort) Genesis(ctx context.Context) (string, error) {
	return carry(ctx, p, "genesis", func() (string, error) { return p.redis.begin(), nil })
}

func (p *fakePort) Heads(ctx context.Context, topics []string) ([]push.Position, error) {
	return carry(ctx, p, "heads", func() ([]push.Position, error) { return p.redis.heads(topics), nil })
}

func (p *fakePort) Notify(ctx context.Context, channel, text string) error {
	_, err := carry(ctx, p, "notify", func() (struct{}, error) {
		p.redis.send(channel, text)
		return struct{}{}, nil
	})
	return err
}

// Close waits for what is under way, until that is given up.
func (p *fakePort) Close(ctx context.Context) error {
	p.redis.mu.Lock()
	p.closed = true
	p.redis.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-time.After(callTimeout):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// callTimeout is when a client of Redis gives a call up that was sent. Redis may
// carry it out all the same.
const callTimeout = 5 * time.Second
