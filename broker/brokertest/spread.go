package brokertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// spread makes several instances look like one broker. Each call goes to the next
// instance, so that a test publishes through one, subscribes and reads through
// others, and repeats a message through another than the first.
type spread struct {
	brokers                   []push.Broker
	publishes, follows, reads atomic.Uint32

	mu       sync.Mutex // guards the rest
	followed map[subscription]push.Broker
}

type subscription struct {
	topic string
	r     push.Receiver
}

// spreadOver spreads calls over instances. A single one is returned as it is.
func spreadOver(brokers []push.Broker) push.Broker {
	if len(brokers) == 1 {
		return brokers[0]
	}
	s := &spread{brokers: brokers, followed: map[subscription]push.Broker{}}
	s.follows.Store(1) // not the first that publishes
	s.reads.Store(1)
	return s
}

func (s *spread) next(turn *atomic.Uint32) push.Broker {
	return s.brokers[int(turn.Add(1)-1)%len(s.brokers)]
}

func (s *spread) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	return s.next(&s.publishes).Publish(ctx, m)
}

// PublishAll publishes through one instance, together if that can.
func (s *spread) PublishAll(ctx context.Context, m push.Message, topics ...string) []push.Published {
	return push.New(s.next(&s.publishes), push.Options{}).PublishAll(ctx, m, topics...)
}

func (s *spread) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	b := s.next(&s.follows)
	s.mu.Lock()
	s.followed[subscription{topic, r}] = b
	s.mu.Unlock()
	return b.Subscribe(ctx, topic, r)
}

func (s *spread) Unsubscribe(topic string, r push.Receiver) {
	s.mu.Lock()
	b := s.followed[subscription{topic, r}]
	s.mu.Unlock()
	if b == nil {
		b = s.brokers[0]
	}
	b.Unsubscribe(topic, r)
}

func (s *spread) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	return s.next(&s.reads).Since(ctx, topic, after, limit)
}

func (s *spread) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	return s.next(&s.reads).Recent(ctx, topic, limit)
}

// The methods of a push.StateBroker, which the instances must be.

func (s *spread) changer() push.StateBroker { return s.next(&s.publishes).(push.StateBroker) }

func (s *spread) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	return s.changer().Set(ctx, m)
}

func (s *spread) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	return s.changer().Append(ctx, m)
}

func (s *spread) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	return s.changer().Delete(ctx, m)
}

func (s *spread) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	return s.changer().Touch(ctx, m)
}

func (s *spread) Rule(topic string) *broker.TopicRule {
	return s.brokers[0].(push.StateBroker).Rule(topic)
}

func (s *spread) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) ([]string, error) {
	return s.changer().Renew(ctx, topic, keys, ttl)
}

func (s *spread) State(ctx context.Context, topic string) (push.Page, error) {
	return s.next(&s.reads).(push.StateBroker).State(ctx, topic)
}

func (s *spread) Close(ctx context.Context) error {
	var err error
	for _, b := range s.brokers {
		err = errors.Join(err, b.Close(ctx))
	}
	return err
}

// spreadStore is a spread of brokers that are also stores.
type spreadStore struct {
	push.Broker
	stores []storeBroker
	calls  atomic.Uint32
}

func (s *spreadStore) next() broker.Store {
	return s.stores[int(s.calls.Add(1)-1)%len(s.stores)]
}

func (s *spreadStore) Put(ctx context.Context, set, key string, v broker.Stored) (*broker.Stored, error) {
	return s.next().Put(ctx, set, key, v)
}

func (s *spreadStore) Take(ctx context.Context, set, key string) ([]byte, error) {
	return s.next().Take(ctx, set, key)
}

func (s *spreadStore) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	return s.next().All(ctx, set)
}
