package follow

import (
	"context"
	"errors"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Addition is a message on its way into the store, and what became of it. The fields up to
// Origin are the arguments of [StorePort].Add, the others its results.
type Addition struct {
	Message    *push.Message
	Repeatable bool
	Mark       HighWater
	Origin     Origin

	Receipt push.Receipt
	Err     error
}

// PublishAll publishes a message to several topics; see [push.Hub.PublishAll].
func (b *Broker) PublishAll(ctx context.Context, m push.Message, topics ...string) []push.Published {
	all := make([]push.Published, len(topics))
	distinct, index, err := broker.DistinctTopics(topics)
	if err != nil {
		for i, topic := range topics {
			all[i] = push.Published{Topic: topic, Err: push.AsError(err)}
		}
		return all
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	additions := b.additions(m, distinct)
	b.addAll(ctx, additions)
	for _, a := range additions {
		if a.Receipt.Position.Offset > 0 {
			b.marks.note(a.Message.Topic, a.Receipt.Position, a.Mark.Position)
		}
		a.Err = b.problems.note(a.Err)
	}
	for i, topic := range topics {
		a := additions[index[i]]
		all[i] = push.Published{Topic: topic, Receipt: a.Receipt, Err: a.Err}
	}
	return all
}

// additions prepares a message for each topic. One that is refused has an error already.
func (b *Broker) additions(m push.Message, topics []string) []*Addition {
	additions := make([]*Addition, len(topics))
	for i, topic := range topics {
		mine := m
		mine.Topic = topic
		a := &Addition{Message: &mine, Repeatable: m.ID != ""}
		a.Err = b.admitsMessage(&mine)
		a.Mark = b.marks.of(topic)
		additions[i] = a
	}
	return additions
}

// admitsMessage prepares a message, or returns why it is refused.
func (b *Broker) admitsMessage(m *push.Message) error {
	if err := b.options.Rules.Of(m.Topic).CheckOp(m.Op); err != nil {
		return push.AsError(err)
	}
	if err := m.Prepare(b.options.MaxMessage); err != nil {
		return err
	}
	if b.isClosed() {
		return ErrClosed
	}
	return nil
}

// addAll adds those that have no error yet, as withOrigin adds one.
func (b *Broker) addAll(ctx context.Context, additions []*Addition) {
	left := selected(additions, func(a *Addition) bool { return a.Err == nil })
	fail := func(err error) {
		for _, a := range left {
			a.Err = err
		}
	}
	known := b.genesis.Load()
	for range 3 {
		if len(left) == 0 {
			return
		}
		fresh := known == nil
		if fresh {
			genesis, err := b.loadGenesis(ctx)
			if err != nil {
				fail(err)
				return
			}
			known = &genesis
		}
		for _, a := range left {
			a.Origin = originOf(*known, fresh, a.Message.Topic, a.Mark)
		}
		b.store.AddAll(ctx, left)
		left = selected(left, func(a *Addition) bool { return errors.Is(a.Err, ErrStale) })
		known = nil
	}
	fail(errReplaced)
}

func selected(additions []*Addition, want func(*Addition) bool) (some []*Addition) {
	for _, a := range additions {
		if want(a) {
			some = append(some, a)
		}
	}
	return some
}
