package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// publisher publishes messages to random topics, one at a time. Half of the messages have an ID, and are published
// again until they are stored; of the others the publisher may never know.
type publisher struct {
	number   int32
	broker   push.Broker
	ledger   *ledger
	topics   []string
	states   []string // topics that are states
	random   *rand.Rand
	interval time.Duration // the mean time between two messages

	sequence int32
}

const (
	publishTimeout = 3 * time.Second
	// maxPadding is what messages are longer than their payload, at most.
	maxPadding   = 200
	retryBackoff = 200 * time.Millisecond
)

// run publishes until the context ends.
func (p *publisher) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(p.random.Int64N(int64(2 * p.interval)))):
		}
		if len(p.states) > 0 && p.random.IntN(stateShare) == 0 {
			p.change(ctx)
			continue
		}
		p.publish(ctx, p.topics[p.random.IntN(len(p.topics))], p.random.IntN(2) == 0)
	}
}

// publish publishes one message. A named one is tried until it is stored, or the context ends.
func (p *publisher) publish(ctx context.Context, topic string, named bool) (broker.Position, bool) {
	p.sequence++
	name := payload{p.number, p.sequence}
	m := push.Message{Topic: topic, Data: []byte(name.String() + " " + strings.Repeat("x", p.random.IntN(maxPadding)))}
	if named {
		m.ID = name.String()
	}
	for {
		p.ledger.publish(name, topic, named)
		// Whoever is told to stop still waits for the answer of the last call.
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
		receipt, err := p.broker.Publish(limit, m)
		cancel()
		switch {
		case err == nil:
			p.ledger.acknowledged(name, receipt.Position)
			return receipt.Position, true
		case errors.Is(err, push.CodeBadRequest), errors.Is(err, push.CodeConflict), errors.Is(err, push.CodeTooLarge):
			p.ledger.refused(name)
			p.ledger.found.add(broken, noClient, topic, "%v was refused: %v", name, err)
			return broker.Position{}, false
		case !named || ctx.Err() != nil:
			return broker.Position{}, false
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryBackoff):
		}
	}
}
