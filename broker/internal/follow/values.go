package follow

import (
	"context"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Put stores a value; see [broker.Store].
func (b *Broker) Put(ctx context.Context, set, key string, v broker.Stored) (there *broker.Stored, err error) {
	if err := v.Check(); err != nil {
		return nil, push.AsError(err)
	}
	if b.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	there, err = b.store.Put(ctx, set, key, v)
	return there, b.problems.note(err)
}

// Take returns a value and forgets it; see [broker.Store].
func (b *Broker) Take(ctx context.Context, set, key string) ([]byte, error) {
	if b.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	value, err := b.store.Take(ctx, set, key)
	return value, b.problems.note(err)
}

// All returns all values of a set; see [broker.Store].
func (b *Broker) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	if b.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	all, err := b.store.All(ctx, set)
	return all, b.problems.note(err)
}
