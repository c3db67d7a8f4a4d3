package brokertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// sweeping ends all subscriptions of a receiver with one of them.
type sweeping struct {
	push.Broker
	mu     sync.Mutex
	topics map[push.Receiver][]string
}

func (b *sweeping) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	b.mu.Lock()
	b.topics[r] = append(b.topics[r], topic)
	b.mu.Unlock()
	return b.Broker.Subscribe(ctx, topic, r)
}

func (b *sweeping) Unsubscribe(_ string, r push.Receiver) {
	b.mu.Lock()
	topics := b.topics[r]
	delete(b.topics, r)
	b.mu.Unlock()
	for _, topic := range topics {
		b.Broker.Unsubscribe(topic, r)
	}
}

// dawdling makes a backend that delivers late, and doesn't wait for that when a subscription
// ends.
func dawdling(t testing.TB, o Options) Backend {
	return receiving(func(r push.Receiver) push.Receiver {
		d := &dawdles{Receiver: r, coming: make(chan func(), 10_000)}
		end := make(chan struct{})
		var running sync.WaitGroup
		t.Cleanup(func() {
			close(end)
			running.Wait()
		})
		running.Go(func() {
			for {
				select {
				case deliver := <-d.coming:
					time.Sleep(time.Millisecond) //clock:virtual the tests of the suite run in it
					deliver()
				case <-end:
					return
				}
			}
		})
		return d
	})(t, o)
}

type dawdles struct {
	push.Receiver
	coming chan func()
}

func (d *dawdles) Receive(m *push.Message) { d.coming <- func() { d.Receiver.Receive(m) } }
func (d *dawdles) Break(gap broker.Gap)    { d.coming <- func() { d.Receiver.Break(gap) } }

// undying makes a backend where a closed instance refuses calls, and still delivers.
func undying(t testing.TB, o Options) Backend {
	return changing(func(b push.Broker) push.Broker {
		t.Cleanup(func() { closeBroker(t, b) })
		return &undies{Broker: b}
	})(t, o)
}

type undies struct {
	push.Broker
	mu     sync.Mutex
	closed bool
}

func (b *undies) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

func (b *undies) isClosed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return push.CodeUnavailable
	}
	return nil
}

func (b *undies) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if err := b.isClosed(); err != nil {
		return push.Receipt{}, err
	}
	return b.Broker.Publish(ctx, m)
}

func (b *undies) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	if err := b.isClosed(); err != nil {
		return broker.Position{}, err
	}
	return b.Broker.Subscribe(ctx, topic, r)
}

func (b *undies) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	if err := b.isClosed(); err != nil {
		return push.Page{}, err
	}
	return b.Broker.Since(ctx, topic, after, limit)
}

func (b *undies) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	if err := b.isClosed(); err != nil {
		return push.Page{}, err
	}
	return b.Broker.Recent(ctx, topic, limit)
}

// counting makes a backend whose tags are the offsets: they continue each other, and tell no
// history from its fork.
func counting(t testing.TB, o Options) Backend {
	known := &tags{shown: map[place]uint32{}}
	return changing(func(b push.Broker) push.Broker { return counts{b, known} })(t, o)
}

type place struct {
	topic  string
	epoch  broker.Epoch
	offset uint64
}

// tags are the real tags of the positions that were given out.
type tags struct {
	mu    sync.Mutex
	shown map[place]uint32
}

func (t *tags) hide(topic string, p broker.Position) broker.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shown[place{topic, p.Epoch, p.Offset}] = p.Tag
	p.Tag = uint32(p.Offset)
	return p
}

func (t *tags) hideIn(m *push.Message) *push.Message {
	changed := *m
	changed.Position = t.hide(m.Topic, m.Position)
	changed.PreviousTag = uint32(m.Offset - 1)
	return &changed
}

func (t *tags) show(topic string, p broker.Position) broker.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	tag, known := t.shown[place{topic, p.Epoch, p.Offset}]
	switch {
	case !known:
	case p.Tag == uint32(p.Offset):
		p.Tag = tag
	default:
		p.Tag = tag ^ 1
	}
	return p
}

func (t *tags) hideAll(topic string, page push.Page) push.Page {
	page.Head = t.hide(topic, page.Head)
	for i, m := range page.Messages {
		page.Messages[i] = t.hideIn(m)
	}
	return page
}

type counts struct {
	push.Broker
	tags *tags
}

func (b counts) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	receipt, err := b.Broker.Publish(ctx, m)
	if !receipt.Position.IsZero() {
		receipt.Position = b.tags.hide(m.Topic, receipt.Position)
	}
	return receipt, err
}

func (b counts) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	at, err := b.Broker.Subscribe(ctx, topic, counted{r, topic, b.tags})
	return b.tags.hide(topic, at), err
}

func (b counts) Unsubscribe(topic string, r push.Receiver) {
	b.Broker.Unsubscribe(topic, counted{r, topic, b.tags})
}

func (b counts) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	page, err := b.Broker.Since(ctx, topic, b.tags.show(topic, after), limit)
	return b.tags.hideAll(topic, page), err
}

func (b counts) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	page, err := b.Broker.Recent(ctx, topic, limit)
	return b.tags.hideAll(topic, page), err
}

type counted struct {
	push.Receiver
	topic string
	tags  *tags
}

func (r counted) Receive(m *push.Message) { r.Receiver.Receive(r.tags.hideIn(m)) }

func (r counted) Break(gap broker.Gap) {
	gap.Now = r.tags.hide(r.topic, gap.Now)
	r.Receiver.Break(gap)
}

type belittles struct{ push.Receiver }

func (r belittles) Break(gap broker.Gap) {
	gap.Reason = broker.GapTrimmed
	r.Receiver.Break(gap)
}

// careless takes what is no name of a topic for one.
type careless struct{ push.Broker }

func nameFor(topic string) string {
	if broker.CheckAnyTopic(topic) != nil {
		return "bad"
	}
	return topic
}

func (b careless) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	return b.Broker.Subscribe(ctx, nameFor(topic), r)
}

func (b careless) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	return b.Broker.Since(ctx, nameFor(topic), after, limit)
}

func (b careless) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	return b.Broker.Recent(ctx, nameFor(topic), limit)
}
