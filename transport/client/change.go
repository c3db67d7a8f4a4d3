package client

import (
	"context"
	"net/url"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

var _ push.StatePublisher = (*Publisher)(nil)

// Set sets a key of a state topic to a value; see [push.StatePublisher]. It tries again as
// Publish does, as do Append, Delete and Touch.
func (p *Publisher) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	return p.change(ctx, broker.OpSet, m)
}

// Append adds text to the value of a key of a state topic; see [push.StatePublisher].
func (p *Publisher) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	return p.change(ctx, broker.OpAppend, m)
}

// Delete deletes a key of a state topic; see [push.StatePublisher].
func (p *Publisher) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	return p.change(ctx, broker.OpDelete, m)
}

// Touch renews the time to live of a key of a state topic; see [push.StatePublisher].
func (p *Publisher) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	return p.change(ctx, broker.OpTouch, m)
}

func (p *Publisher) change(ctx context.Context, op broker.Op, m push.Message) (push.Receipt, error) {
	m.Op = op
	return p.Publish(ctx, m)
}

// setChange adds to the query of a publish what the message does to a state.
func setChange(query url.Values, m *push.Message) {
	if m.Op == broker.OpPublish {
		return
	}
	query.Set("op", m.Op.String())
	switch {
	case m.TTL < 0:
		query.Set("ttl", "forever")
	case m.TTL > 0:
		query.Set("ttl", m.TTL.String())
	}
	switch {
	case m.IfAbsent:
		query.Set("if", "absent")
	case m.IfVersion != broker.Version{}:
		query.Set("if", m.IfVersion.String())
	}
}
