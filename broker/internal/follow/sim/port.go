package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// Port is one instance's way to a store, as a [follow.StorePort]: each call takes its time
// to get there and back, and may get lost either way.
type Port struct {
	store *Store
	name  string
	dead  chan struct{} // closed when the instance is killed
	work  sync.WaitGroup

	// guarded by store.mu
	calls  map[string]int
	seen   map[string][]broker.Position // what the instance knows to be stored, by topic
	closed bool
}

var errFake = push.NewError(push.CodeUnavailable, "the broker can't be reached now", errors.New("simulated"))

var _ follow.StorePort = (*Port)(nil)

// kill makes all calls fail, those under way too.
func (p *Port) kill() {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.closed = true
	close(p.dead)
	for subscriber := range p.store.subscribers {
		if subscriber.port == p {
			subscriber.breakOff()
		}
	}
}

type answer[T any] struct {
	value T
	err   error
}

// carry makes a call. When its context ends it is still under way, and may be
// carried out later.
func carry[T any](ctx context.Context, p *Port, what string, apply func() (T, error)) (T, error) {
	var none T
	s := p.store
	s.mu.Lock()
	if p.closed {
		s.mu.Unlock()
		return none, errFake
	}
	n := p.calls[what]
	p.calls[what] = n + 2
	primary := s.primary
	there, back := s.faults.time(p.name, what, n), s.faults.time(p.name, what, n+1)
	before, after := s.faults.fail(what)
	done := make(chan answer[T], 1)
	p.work.Go(func() {
		a := answer[T]{err: errFake}
		if p.wait(there) == nil && !before {
			s.mu.Lock()
			if primary == s.primary { // else the connection is gone with the old one
				a.value, a.err = apply()
			}
			s.mu.Unlock()
		}
		if p.wait(back) != nil || after || !s.isPrimary(primary) {
			a = answer[T]{err: errFake}
		}
		done <- a
	})
	s.mu.Unlock()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return none, push.AsError(ctx.Err())
	}
}

func (s *Store) isPrimary(primary int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.primary == primary
}

// wait waits on the way, and for as long as the store is frozen.
func (p *Port) wait(d time.Duration) error {
	if d > 0 {
		select {
		case <-p.dead:
			return errFake
		case <-time.After(d):
		}
	}
	for {
		p.store.mu.Lock()
		thawed := p.store.faults.thawed
		p.store.mu.Unlock()
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

// saw notes for the oracle what the instance knows to be stored.
func (p *Port) saw(topic string, at broker.Position) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.seen[topic] = append(p.seen[topic], at)
}

// Add is part of [follow.StorePort], as are the others.
func (p *Port) Add(ctx context.Context, m *push.Message, repeatable bool, mark follow.HighWater, origin follow.Origin) (push.Receipt, error) {
	mine := *m
	receipt, err := carry(ctx, p, "add "+m.Topic, func() (push.Receipt, error) {
		receipt, err := p.store.add(&mine, repeatable, mark, origin)
		if err == nil && mine.Replicated {
			if p.store.faults.behind {
				return receipt, push.CodeNotReplicated
			}
			p.store.confirm()
		}
		return receipt, err
	})
	if !receipt.Position.IsZero() {
		p.saw(m.Topic, receipt.Position)
	}
	return receipt, err
}

// AddAll adds one after the other.
func (p *Port) AddAll(ctx context.Context, additions []*follow.Addition) {
	for _, a := range additions {
		a.Receipt, a.Err = p.Add(ctx, a.Message, a.Repeatable, a.Mark, a.Origin)
	}
}

// Read asks for what is kept.
func (p *Port) Read(ctx context.Context, topic string, q follow.Query, mark follow.HighWater, origin follow.Origin) (push.Page, error) {
	page, err := carry(ctx, p, "read "+topic, func() (push.Page, error) { return p.store.read(topic, q, mark, origin) })
	if err == nil {
		p.saw(topic, page.Head)
	}
	return page, err
}

// State asks for the keys of a state.
func (p *Port) State(ctx context.Context, topic string, mark follow.HighWater, origin follow.Origin) (push.Page, error) {
	page, err := carry(ctx, p, "state "+topic, func() (push.Page, error) { return p.store.readState(topic, mark, origin) })
	if err == nil {
		p.saw(topic, page.Head)
	}
	return page, err
}

// Expire deletes keys that are due.
func (p *Port) Expire(ctx context.Context, topic string, mark follow.HighWater, origin follow.Origin) (follow.Expiry, error) {
	e, err := carry(ctx, p, "expire "+topic, func() (follow.Expiry, error) { return p.store.expire(topic, mark, origin) })
	if err == nil {
		p.saw(topic, e.Position)
	}
	return e, err
}

// Renew renews keys of a state.
func (p *Port) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration, mark follow.HighWater, origin follow.Origin) (follow.Renewal, error) {
	r, err := carry(ctx, p, "renew "+topic, func() (follow.Renewal, error) { return p.store.renew(topic, keys, ttl, mark, origin) })
	if err == nil {
		p.saw(topic, r.Position)
	}
	return r, err
}

// Genesis makes the genesis if need be.
func (p *Port) Genesis(ctx context.Context) (string, error) {
	return carry(ctx, p, "genesis", func() (string, error) { return p.store.loadGenesis(), nil })
}

// Heads asks where topics are.
func (p *Port) Heads(ctx context.Context, topics []string) ([]follow.Head, error) {
	return carry(ctx, p, "heads", func() ([]follow.Head, error) { return p.store.heads(topics), nil })
}

// Notify sends to a channel.
func (p *Port) Notify(ctx context.Context, channel, payload string) error {
	_, err := carry(ctx, p, "notify", func() (struct{}, error) {
		p.store.notify(channel, payload)
		return struct{}{}, nil
	})
	return err
}

// Health finds nothing wrong.
func (p *Port) Health(context.Context) error { return nil }

// Channel names a topic's channel as package redisbroker does.
func (p *Port) Channel(topic string) string { return p.store.channel(topic) }

// ProbeChannel names a channel that no topic has.
func (p *Port) ProbeChannel(channel, id string) string { return p.store.probeChannel(channel, id) }

// Decode finds the message that a payload stands for.
func (p *Port) Decode(topic, payload string) (*push.Message, error) {
	return p.store.decode(topic, payload)
}

// Node is the only one there is.
func (p *Port) Node(context.Context, string) (string, error) { return "", nil }

// Reload has nothing to look up.
func (p *Port) Reload(context.Context) {}

// Close waits for what is under way, until that is given up.
func (p *Port) Close(ctx context.Context) error {
	p.store.mu.Lock()
	p.closed = true
	p.store.mu.Unlock()
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

// callTimeout is when a client gives up a call that was sent. The store may carry it out
// all the same.
const callTimeout = 5 * time.Second
