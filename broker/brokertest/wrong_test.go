package brokertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// wrong makes a reference with faults.
func wrong(f faults) New {
	return func(t testing.TB, o Options) Backend { return newReference(o, f).backend(t) }
}

// local makes a backend whose instances have a memory each and share nothing.
func local(_ testing.TB, o Options) Backend {
	return Backend{
		Instance: func(testing.TB) push.Broker {
			return membroker.New(membroker.Options{History: o.History, Topics: o.Topics, MaxMessage: o.MaxMessage, Retry: o.Retry})
		},
		Cost: func(testing.TB) map[string]int { return nil },
		Lacks: map[Capability]string{
			Lose: "it has no wire", Cut: "it has no wire", Restart: "it has no server", Erase: "it has no server", Fork: "it has no server",
		},
	}
}

// changing makes a right backend whose brokers are changed.
func changing(change func(push.Broker) push.Broker) New {
	return func(t testing.TB, o Options) Backend {
		b := right(t, o)
		inner := map[push.Broker]push.Broker{}
		instance, lose, cut := b.Instance, b.Lose, b.Cut
		b.Instance = func(t testing.TB) push.Broker {
			old := instance(t)
			changed := change(old)
			inner[changed] = old
			return changed
		}
		b.Lose = func(t testing.TB, changed push.Broker, n int) { lose(t, inner[changed], n) }
		b.Cut = func(t testing.TB, changed push.Broker) { cut(t, inner[changed]) }
		return b
	}
}

// receiving makes a right backend whose brokers deliver to changed receivers.
func receiving(change func(push.Receiver) push.Receiver) New {
	return changing(func(b push.Broker) push.Broker {
		return &changed{StateBroker: b.(push.StateBroker), change: change, receivers: map[subscription]push.Receiver{}}
	})
}

type changed struct {
	push.StateBroker
	change    func(push.Receiver) push.Receiver
	mu        sync.Mutex
	receivers map[subscription]push.Receiver
}

func (b *changed) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	inner := b.change(r)
	b.mu.Lock()
	b.receivers[subscription{topic, r}] = inner
	b.mu.Unlock()
	return b.StateBroker.Subscribe(ctx, topic, inner)
}

func (b *changed) Unsubscribe(topic string, r push.Receiver) {
	b.mu.Lock()
	inner := b.receivers[subscription{topic, r}]
	b.mu.Unlock()
	b.StateBroker.Unsubscribe(topic, inner)
}

type loses struct{ push.Receiver }

func (r loses) Receive(m *push.Message) {
	if m.Offset != 2 {
		r.Receiver.Receive(m)
	}
}

type doubles struct{ push.Receiver }

func (r doubles) Receive(m *push.Message) {
	r.Receiver.Receive(m)
	if m.Offset == 2 {
		r.Receiver.Receive(m)
	}
}

type swaps struct {
	push.Receiver
	second *push.Message
}

func (r *swaps) Receive(m *push.Message) {
	if m.Offset == 2 {
		r.second = m
		return
	}
	r.Receiver.Receive(m)
	if m.Offset == 3 && r.second != nil {
		r.Receiver.Receive(r.second)
	}
}

type hushes struct{ push.Receiver }

func (hushes) Break(broker.Gap) {}

// clings makes a single process in which Unsubscribe does nothing. Receivers are called
// within Publish, so that the message is there when the test looks.
func clings(t testing.TB, o Options) Backend {
	b := local(t, o)
	one := b.Instance(t)
	b.Instance = func(testing.TB) push.Broker { return &clinging{one} }
	b.Lacks[Apart] = "it is one process"
	return b
}

type clinging struct{ push.Broker }

func (*clinging) Unsubscribe(string, push.Receiver) {}

// ending makes a backend where Unsubscribe ends the subscriptions of all instances.
func ending(t testing.TB, o Options) Backend {
	var all []push.Broker
	followers := map[string][]push.Receiver{}
	return changing(func(b push.Broker) push.Broker {
		all = append(all, b)
		return &ends{Broker: b, all: &all, followers: followers}
	})(t, o)
}

type ends struct {
	push.Broker
	all       *[]push.Broker
	followers map[string][]push.Receiver
}

func (b *ends) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	b.followers[topic] = append(b.followers[topic], r)
	return b.Broker.Subscribe(ctx, topic, r)
}

func (b *ends) Unsubscribe(topic string, r push.Receiver) {
	for _, other := range *b.all {
		for _, r := range b.followers[topic] {
			other.Unsubscribe(topic, r)
		}
	}
}

func remembers(t testing.TB, o Options) Backend {
	o.Retry = 24 * time.Hour
	return right(t, o)
}

// extending makes a backend whose instances count the retry window from the last
// duplicate.
func extending(t testing.TB, o Options) Backend {
	known := map[string]extended{}
	return changing(func(b push.Broker) push.Broker { return &extends{b, o.Retry, known} })(t, o)
}

type extends struct {
	push.Broker
	retry time.Duration
	known map[string]extended
}

type extended struct {
	receipt push.Receipt
	until   time.Time
}

func (b *extends) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if b.retry == 0 { // only the test of the window sets it, and publishes one message at a time
		return b.Broker.Publish(ctx, m)
	}
	receipt, err := b.known[m.ID].receipt, error(nil)
	if !time.Now().Before(b.known[m.ID].until) {
		receipt, err = b.Broker.Publish(ctx, m)
	}
	duplicate := receipt
	duplicate.Duplicate = true
	b.known[m.ID] = extended{duplicate, time.Now().Add(b.retry)}
	return receipt, err
}

type forgetful struct{ push.Broker }

func (b forgetful) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	receipt, err := b.Broker.Publish(ctx, m)
	if receipt.Duplicate {
		m.ID = ""
		return b.Broker.Publish(ctx, m)
	}
	return receipt, err
}

// selfish knows only the IDs that it published itself.
type selfish struct {
	push.Broker
	mu   sync.Mutex
	mine map[string]bool
}

func (b *selfish) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	receipt, err := b.Broker.Publish(ctx, m)
	if receipt.Duplicate && !b.mine[m.Topic+"\n"+m.ID] {
		return forgetful{b.Broker}.Publish(ctx, m)
	}
	b.mine[m.Topic+"\n"+m.ID] = true
	return receipt, err
}

type vague struct{ push.Broker }

func (b vague) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	receipt, err := b.Broker.Publish(ctx, m)
	if receipt.Duplicate {
		page, pageErr := b.Broker.Recent(ctx, m.Topic, broker.Limit{})
		receipt.Position, err = page.Head, pageErr
		receipt.Position.Offset++
	}
	return receipt, err
}

type credulous struct{ push.Broker }

func (b credulous) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	receipt, err := b.Broker.Publish(ctx, m)
	if err != nil && push.AsError(err).Code == push.CodeConflict {
		return push.Receipt{ID: m.ID, Duplicate: true}, nil
	}
	return receipt, err
}

type trusting struct{ push.Broker }

func (b trusting) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	page, err := b.Broker.Since(ctx, topic, after, limit)
	if page.Gap == broker.GapFork {
		page.Gap = ""
	}
	return page, err
}

type stale struct {
	push.Broker
	mu    sync.Mutex
	heads map[string]broker.Position
}

func (b *stale) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	page, err := b.Broker.Recent(ctx, topic, limit)
	b.mu.Lock()
	defer b.mu.Unlock()
	if head, there := b.heads[topic]; there {
		page.Head = head
	}
	b.heads[topic] = page.Head
	return page, err
}

// remembering makes a backend that keeps the names of topics that were read.
func remembering(t testing.TB, o Options) Backend {
	asked := map[string]bool{}
	b := changing(func(b push.Broker) push.Broker { return &curious{b, asked} })(t, o)
	b.Cost = func(testing.TB) map[string]int { return map[string]int{"asked": len(asked)} }
	return b
}

type curious struct {
	push.Broker
	asked map[string]bool
}

func (b *curious) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	b.asked[topic] = true
	return b.Broker.Since(ctx, topic, after, limit)
}
