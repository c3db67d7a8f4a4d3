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
	ctx, cancel := deadline(ctx)
	defer cancel()
	return broker.EachTopic(topics, func(distinct []string) ([]push.Published, error) {
		additions := b.additions(m, distinct)
		b.addAll(ctx, additions)
		published := make([]push.Published, len(distinct))
		for i, a := range additions {
			if a.Receipt.Position.Offset > 0 {
				b.marks.note(a.Message.Topic, a.Receipt.Position, a.Mark.Position)
			}
			published[i] = push.Published{Topic: distinct[i], Receipt: a.Receipt, Err: b.problems.note(a.Err)}
		}
		return published, nil
	}, func(topic string, err error) push.Published {
		return push.Published{Topic: topic, Err: push.AsError(err)}
	})
}

// additions prepares a message for each topic. One that is refused has an error already.
func (b *Broker) additions(m push.Message, topics []string) []*Addition {
	additions := make([]*Addition, len(topics))
	repeatable, err := m.ID != "", m.CheckParts(b.options.MaxMessage)
	if err == nil && b.isClosed() {
		err = ErrClosed
	}
	for i, topic := range topics {
		mine := m
		mine.Topic = topic
		a := &Addition{Message: &mine, Repeatable: repeatable, Mark: b.marks.of(topic)}
		if a.Err = b.admitsOp(&mine); a.Err == nil {
			a.Err = mine.PrepareTopic()
		}
		if a.Err == nil {
			a.Err = err
		}
		additions[i] = a
	}
	return additions
}

// admitsMessage prepares a message, or returns why it is refused.
func (b *Broker) admitsMessage(m *push.Message) error {
	if err := b.admitsOp(m); err != nil {
		return err
	}
	if err := m.Prepare(b.options.MaxMessage); err != nil {
		return err
	}
	if b.isClosed() {
		return ErrClosed
	}
	return nil
}

// admitsOp returns an error for what can't be done with a topic of the message's kind.
func (b *Broker) admitsOp(m *push.Message) error {
	if err := b.options.Rules.Of(m.Topic).CheckOp(m.Op); err != nil {
		return push.AsError(err)
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
