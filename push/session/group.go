package session

import (
	"slices"
	"sync"

	"github.com/tidewire/tidewire/broker"
)

// shardGroup is the subscriptions of one topic and format whose sessions belong to one
// shard. The shard delivers to them what the feed fans out.
//
// Lock order: feed.mu, shardGroup.mu, Session.mu, shard.mu.
type shardGroup struct {
	shard *shard
	state *stateGroup // nil if the topic is a log
	// transport is that of the sessions; of hub.transports.
	transport uint8

	mu            sync.Mutex // guards the rest, and index and lastSeq of each subscription
	subscriptions []*subscription
}

// delivery is what a feed fans out to the subscriptions of a part: a message, or a
// gap if that is set.
type delivery struct {
	group *shardGroup
	seq   uint64 // counts what the feed has fanned out
	frame *Frame
	gap   *broker.Gap
	aside bool     // the message has no place in the topic's order
	lent  bool     // the shard keeps the frame for those to which it is written in its round
	trace *trace   // nil if it isn't traced
	batch []*Frame // of a state: those that the shard keeps for its round
}

// attach adds a subscription to which everything up to a number was delivered.
func (p *shardGroup) attach(sub *subscription, lastSeq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != nil {
		p.state.mu.Lock() // no batch begins meanwhile
		defer p.state.mu.Unlock()
		lastSeq = p.state.told
		sub.catchUp.lag.told, sub.catchUp.lag.seen = lastSeq, p.state.restarts
		p.state.awaited = p.state.awaited || sub.catchUp.lag.delayed
	}
	sub.lastSeq = lastSeq
	sub.index = len(p.subscriptions)
	p.subscriptions = append(p.subscriptions, sub)
}

// detach removes a subscription; empty reports whether it was the last.
func (p *shardGroup) detach(sub *subscription) (empty bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.subscriptions) - 1
	moved := p.subscriptions[last]
	p.subscriptions[sub.index] = moved
	moved.index = sub.index
	p.subscriptions[last] = nil
	p.subscriptions = p.subscriptions[:last]
	return last == 0
}

// batch is how many subscriptions are dealt with before others may have the lock.
const batch = 64

// dispatch delivers to all subscriptions. With now they are written to at once.
func (p *shardGroup) dispatch(d *delivery, now bool) {
	if p.state != nil {
		p.dispatchState(d)
		return
	}
	told := p.each(d.seq, func(sub *subscription) { sub.deliver(d, now) })
	if d.gap == nil {
		p.shard.delivered[p.transport].Add(uint64(told))
	}
	d.trace.done(nil)
}

// each tells the subscriptions that haven't been told yet what has this number, and counts
// them.
func (p *shardGroup) each(seq uint64, tell func(sub *subscription)) (told int) {
	// Backwards, since detach puts the last in the place of one that has left: so
	// nobody is passed over, and one that is met again has it already.
	for left := int(^uint(0) >> 1); left > 0; {
		p.mu.Lock()
		left = min(left, len(p.subscriptions))
		next := max(0, left-batch)
		for _, sub := range slices.Backward(p.subscriptions[next:left]) {
			if sub.lastSeq < seq {
				sub.lastSeq = seq
				tell(sub)
				told++
			}
		}
		left = next
		p.mu.Unlock()
	}
	return told
}
