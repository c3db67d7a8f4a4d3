package brokertest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// stateless has no states.
type stateless struct{ push.Broker }

// altered makes right backends whose brokers publish or read states otherwise.
type altered struct {
	publish func(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) // nil as it is
	state   func(topic string, page push.Page) push.Page                                   // nil as it is
}

func (a altered) backend(t testing.TB, o Options) Backend {
	return changing(func(b push.Broker) push.Broker { return &alters{b.(push.StateBroker), a} })(t, o)
}

type alters struct {
	push.StateBroker
	how altered
}

func (b *alters) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if b.how.publish == nil {
		return b.StateBroker.Publish(ctx, m)
	}
	return b.how.publish(ctx, b.StateBroker, m)
}

func (b *alters) change(ctx context.Context, op broker.Op, m push.Message) (push.Receipt, error) {
	m.Op = op
	return b.Publish(ctx, m)
}

func (b *alters) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpSet, m)
}

func (b *alters) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpAppend, m)
}

func (b *alters) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpDelete, m)
}

func (b *alters) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.change(ctx, broker.OpTouch, m)
}

func (b *alters) State(ctx context.Context, topic string) (push.Page, error) {
	page, err := b.StateBroker.State(ctx, topic)
	if err == nil && b.how.state != nil {
		page = b.how.state(topic, page)
	}
	return page, err
}

type spares struct{ push.Receiver }

func (r spares) Receive(m *push.Message) {
	if m.Op != broker.OpDelete {
		r.Receiver.Receive(m)
	}
}

func repeatsPieces(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) {
	if m.Op == broker.OpAppend {
		m.Data = slices.Concat(m.Data, m.Data)
	}
	return b.Publish(ctx, m)
}

// countsBytes counts the bytes of values, as they grow.
type countsBytes struct {
	push.Receiver
	sizes map[string]int
}

func (r *countsBytes) Receive(m *push.Message) {
	changed := *m
	if m.Op == broker.OpAppend {
		changed.Start = r.sizes[m.Key]
		r.sizes[m.Key] += len(m.Data)
	} else {
		r.sizes[m.Key] = len(m.Data)
	}
	r.Receiver.Receive(&changed)
}

// listsAll lists each key that was listed before.
func listsAll() func(string, push.Page) push.Page {
	var mu sync.Mutex
	seen := map[string][]*push.Message{}
	return func(topic string, page push.Page) push.Page {
		mu.Lock()
		defer mu.Unlock()
		if len(page.Messages) > 0 || len(seen[topic]) == 0 || seen[topic][0].Epoch != page.Head.Epoch {
			seen[topic] = page.Messages
		}
		page.Messages = seen[topic]
		return page
	}
}

func keeps(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) {
	if m.Op != broker.OpPublish {
		m.TTL = -1
	}
	return b.Publish(ctx, m)
}

func untouched(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) {
	if m.Op == broker.OpTouch {
		page, err := b.Recent(ctx, m.Topic, broker.Limit{})
		return push.Receipt{Position: page.Head}, err
	}
	return b.Publish(ctx, m)
}

func holdsAlways(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) {
	m.IfVersion, m.IfAbsent = broker.Version{}, false
	return b.Publish(ctx, m)
}

func conflicts(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) {
	receipt, err := b.Publish(ctx, m)
	if receipt.Duplicate && (m.IfAbsent || m.IfVersion != broker.Version{}) {
		return push.Receipt{}, push.NewError(push.CodeConflict, "", &broker.VersionError{})
	}
	return receipt, err
}

func boundless(t testing.TB, o Options) Backend {
	o.Topics = slices.Clone(o.Topics)
	for i := range o.Topics {
		o.Topics[i].MaxKeys, o.Topics[i].MaxValue, o.Topics[i].MaxBytes = 0, 0, 0
	}
	return right(t, o)
}

func deletesNothing(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) {
	receipt, err := b.Publish(ctx, m)
	if m.Op == broker.OpDelete {
		receipt.Duplicate = false
	}
	return receipt, err
}

func confuses(ctx context.Context, b push.Broker, m push.Message) (push.Receipt, error) {
	if m.Op == broker.OpSet && !b.(push.StateBroker).Rule(m.Topic).State {
		m.Op = broker.OpPublish
	}
	return b.Publish(ctx, m)
}

// outlives shows what was there when a topic was read first in its first epoch.
func outlives() func(string, push.Page) push.Page {
	var mu sync.Mutex
	first := map[string]push.Page{}
	return func(topic string, page push.Page) push.Page {
		mu.Lock()
		defer mu.Unlock()
		old, there := first[topic]
		if !there || old.Head.Epoch == page.Head.Epoch {
			first[topic] = page
			return page
		}
		page.Messages = old.Messages
		return page
	}
}

// rememberingStates makes a backend that keeps the names of states that were read.
func rememberingStates(t testing.TB, o Options) Backend {
	var mu sync.Mutex
	asked := map[string]bool{}
	b := altered{state: func(topic string, page push.Page) push.Page {
		mu.Lock()
		defer mu.Unlock()
		asked[topic] = true
		return page
	}}.backend(t, o)
	b.Cost = func(testing.TB) map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return map[string]int{"asked": len(asked)}
	}
	return b
}
