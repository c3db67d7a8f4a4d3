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

// reference is a right backend that can be given faults. Its data are in a memory
// broker. A wire that can lose messages leads to each instance, so the instances
// look from time to time, and read what is missing.
type reference struct {
	options membroker.Options
	faults  faults

	mu        sync.Mutex // guards the rest
	data      *membroker.Broker
	instances []*instance
}

// faults are what a reference does wrong.
type faults struct {
	trusts    bool // an instance passes messages on without checking the chain
	waits     bool // it never looks unless a message comes
	loses     bool // a restart loses the data
	closesAll bool // closing one instance closes the data
}

const look = time.Second

const noFork = "a memory broker has no other branch"

func newReference(o Options, wrong faults) *reference {
	r := &reference{options: membroker.Options{History: o.History, Topics: o.Topics, MaxMessage: o.MaxMessage, Retry: o.Retry}, faults: wrong}
	r.data = membroker.New(r.options)
	return r
}

func (r *reference) backend(t testing.TB) Backend {
	t.Cleanup(func() { closeBroker(t, r.store()) })
	return Backend{
		Instance: func(testing.TB) push.Broker { return r.instance() },
		Cost:     r.cost,
		Lose:     func(_ testing.TB, b push.Broker, n int) { b.(*instance).lose(n) },
		Cut:      func(_ testing.TB, b push.Broker) { b.(*instance).cut() },
		Restart:  func(testing.TB) { r.restart(r.faults.loses) },
		Erase:    func(testing.TB) { r.restart(true) },
		Lacks:    map[Capability]string{Fork: noFork},
	}
}

func (r *reference) store() *membroker.Broker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.data
}

func (r *reference) instance() *instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := &instance{backend: r, followings: map[subscription]*following{}}
	r.instances = append(r.instances, i)
	return i
}

func (r *reference) cost(testing.TB) map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	cost := map[string]int{}
	for _, i := range r.instances {
		i.mu.Lock()
		cost["followed"] += len(i.followings)
		i.mu.Unlock()
	}
	return cost
}

func (r *reference) restart(erase bool) {
	old := r.store()
	r.mu.Lock()
	defer r.mu.Unlock()
	if erase {
		r.data = membroker.New(r.options)
		_ = old.Close(context.Background())
	}
	for _, i := range r.instances {
		i.cut()
	}
}

// instance is one of its brokers.
type instance struct {
	backend *reference

	mu         sync.Mutex // guards the rest
	followings map[subscription]*following
	toLose     int
	closed     bool
}

// open returns the data, unless the instance is closed.
func (i *instance) open() (*membroker.Broker, error) {
	i.mu.Lock()
	closed := i.closed
	i.mu.Unlock()
	if closed {
		return nil, push.CodeUnavailable
	}
	return i.backend.store(), nil
}

// call calls the data, unless the instance is closed.
func call[T any](i *instance, do func(*membroker.Broker) (T, error)) (T, error) {
	data, err := i.open()
	if err != nil {
		var none T
		return none, err
	}
	return do(data)
}

func (i *instance) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	return call(i, func(data *membroker.Broker) (push.Receipt, error) { return data.Publish(ctx, m) })
}

func (i *instance) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	return call(i, func(data *membroker.Broker) (push.Page, error) { return data.Since(ctx, topic, after, limit) })
}

func (i *instance) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	return call(i, func(data *membroker.Broker) (push.Page, error) { return data.Recent(ctx, topic, limit) })
}

func (i *instance) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	return call(i, func(data *membroker.Broker) (push.Receipt, error) { return data.Set(ctx, m) })
}

func (i *instance) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	return call(i, func(data *membroker.Broker) (push.Receipt, error) { return data.Append(ctx, m) })
}

func (i *instance) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	return call(i, func(data *membroker.Broker) (push.Receipt, error) { return data.Delete(ctx, m) })
}

func (i *instance) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	return call(i, func(data *membroker.Broker) (push.Receipt, error) { return data.Touch(ctx, m) })
}

func (i *instance) Rule(topic string) *broker.TopicRule { return i.backend.store().Rule(topic) }

func (i *instance) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) ([]string, error) {
	return call(i, func(data *membroker.Broker) ([]string, error) { return data.Renew(ctx, topic, keys, ttl) })
}

func (i *instance) State(ctx context.Context, topic string) (push.Page, error) {
	return call(i, func(data *membroker.Broker) (push.Page, error) { return data.State(ctx, topic) })
}

func (i *instance) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	data, err := i.open()
	if err != nil {
		return broker.Position{}, err
	}
	f := &following{instance: i, topic: topic, r: r, news: make(chan struct{}, 1), stop: make(chan struct{}), source: data}
	at, err := data.Subscribe(ctx, topic, f)
	if err != nil {
		return broker.Position{}, err
	}
	f.position = at
	i.mu.Lock()
	i.followings[subscription{topic, r}] = f
	i.mu.Unlock()
	f.work.Go(f.run)
	return at, nil
}

func (i *instance) Unsubscribe(topic string, r push.Receiver) {
	i.mu.Lock()
	f := i.followings[subscription{topic, r}]
	delete(i.followings, subscription{topic, r})
	i.mu.Unlock()
	if f != nil {
		f.end()
	}
}

func (i *instance) Close(ctx context.Context) error {
	i.mu.Lock()
	followings := i.followings
	i.followings, i.closed = nil, true
	i.mu.Unlock()
	for _, f := range followings {
		f.end()
	}
	if i.backend.faults.closesAll {
		return i.backend.store().Close(ctx)
	}
	return nil
}

func (i *instance) lose(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.toLose = n
}

// loss reports whether the next message gets lost.
func (i *instance) loss() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.toLose--
	return i.toLose >= 0
}

func (i *instance) cut() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, f := range i.followings {
		f.cut()
	}
}

// following is one subscription: its wire, and its receiver's position.
type following struct {
	instance *instance
	topic    string
	r        push.Receiver
	news     chan struct{} // holds one if something may have come
	stop     chan struct{}
	work     sync.WaitGroup

	// used by run alone, once that runs
	position broker.Position
	source   *membroker.Broker // that it is subscribed to

	mu     sync.Mutex // guards the rest
	coming []*push.Message
	broken bool // the wire
}

// Receive puts a message on the wire.
func (f *following) Receive(m *push.Message) {
	lost := f.instance.loss()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken || lost {
		return
	}
	f.coming = append(f.coming, m)
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// Break is never called by a memory broker.
func (f *following) Break(broker.Gap) { panic("a broken chain in memory") }

// cut breaks the wire, until the next look.
func (f *following) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.coming, f.broken = nil, true
}

func (f *following) end() {
	close(f.stop)
	f.work.Wait()
	f.source.Unsubscribe(f.topic, f)
}

func (f *following) run() {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-f.news:
			f.deliver()
		case <-ticker.C:
			if !f.instance.backend.faults.waits {
				f.reconnect()
				f.repair()
			}
		}
	}
}

// deliver passes on what the wire has brought.
func (f *following) deliver() {
	f.mu.Lock()
	coming := f.coming
	f.coming = nil
	f.mu.Unlock()
	for _, m := range coming {
		if m.Follows(f.position) || f.instance.backend.faults.trusts {
			f.position = m.Position
			f.r.Receive(m)
		} else {
			f.repair()
		}
	}
}

// reconnect replaces a broken wire by one to the current data.
func (f *following) reconnect() {
	f.mu.Lock()
	broken := f.broken
	f.broken = false
	f.mu.Unlock()
	if broken {
		f.source.Unsubscribe(f.topic, f)
		f.source = f.instance.backend.store()
		_, _ = f.source.Subscribe(context.Background(), f.topic, f) // it fails once everything is closed
	}
}

// repair reads what is missing, or breaks the chain.
func (f *following) repair() {
	page, err := f.source.Since(context.Background(), f.topic, f.position, broker.Limit{})
	switch {
	case err != nil:
	case page.Gap != "":
		gap := broker.Gap{Topic: f.topic, Reason: page.Gap, Last: f.position, Now: page.Head}
		f.position = page.Head
		f.r.Break(gap)
	default:
		for _, m := range page.Messages {
			f.position = m.Position
			f.r.Receive(m)
		}
	}
}

func (i *instance) Put(ctx context.Context, set, key string, v broker.Stored) (*broker.Stored, error) {
	return call(i, func(data *membroker.Broker) (*broker.Stored, error) { return data.Put(ctx, set, key, v) })
}

func (i *instance) Take(ctx context.Context, set, key string) ([]byte, error) {
	return call(i, func(data *membroker.Broker) ([]byte, error) { return data.Take(ctx, set, key) })
}

func (i *instance) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	return call(i, func(data *membroker.Broker) (map[string]broker.Stored, error) { return data.All(ctx, set) })
}
