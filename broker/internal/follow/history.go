package follow

import (
	"context"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// pageLimit bounds one read of a topic that is catching up.
var pageLimit = broker.Limit{Messages: 1000, Bytes: 1 << 20}

// recent reads the newest messages and the head.
func (b *Broker) recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	return b.read(ctx, topic, Query{Newest: true, Limit: limit}, b.marks.of(topic))
}

// since reads what follows a position, as push.Broker has it.
func (b *Broker) since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	return b.sinceWith(ctx, topic, after, limit, b.marks.of(topic))
}

func (b *Broker) sinceWith(ctx context.Context, topic string, after broker.Position, limit broker.Limit, mark HighWater) (push.Page, error) {
	return b.read(ctx, topic, Query{After: after, Limit: limit}, mark)
}

// from reads on from a position for the followers on this instance: where the chain is
// broken, the messages that remain come after the gap. From no position it reads the
// head. Heard is the highest position that was heard before; zero if none was.
func (b *Broker) from(ctx context.Context, topic string, at, heard broker.Position) (push.Page, error) {
	if at.IsZero() {
		return b.recent(ctx, topic, broker.Limit{})
	}
	page, err := b.since(ctx, topic, at, pageLimit)
	seen := at
	if heard.Epoch == page.Head.Epoch && heard.Offset > page.Head.Offset {
		seen = heard
	}
	if err == nil && (page.Gap == broker.GapFork || seen == heard) {
		// What was seen here is lost, and other instances don't know: the high-water mark is
		// of the new branch by now, or hasn't got so far. Telling the store ends the epoch,
		// so that everybody who may have missed something learns of it.
		page, err = b.sinceWith(ctx, topic, at, pageLimit, HighWater{seen, b.marks.of(topic).Ended})
	}
	if err != nil || page.Gap != broker.GapEpoch {
		return page, err
	}
	newest, err := b.recent(ctx, topic, broker.Limit{Messages: pageLimit.Messages})
	if err != nil {
		return push.Page{}, err
	}
	if newest.Head.Epoch == at.Epoch { // it came back between the two reads
		return b.since(ctx, topic, at, pageLimit)
	}
	newest.Gap = page.Gap
	return newest, nil
}

// read asks the store, with what this instance has seen.
func (b *Broker) read(ctx context.Context, topic string, q Query, mark HighWater) (page push.Page, err error) {
	err = b.reach(ctx, topic, mark, func(mark HighWater, origin Origin) (broker.Position, error) {
		page, err = b.store.Read(ctx, topic, q, mark, origin)
		return page.Head, err
	})
	if err != nil {
		return push.Page{}, err
	}
	return page, nil
}

// reach makes a call of the store that returns a topic's head. The position before the first
// message of a topic that nobody has published to needs no high-water mark.
func (b *Broker) reach(ctx context.Context, topic string, mark HighWater, call func(HighWater, Origin) (broker.Position, error)) error {
	var first, head broker.Position
	err := b.withOrigin(ctx, topic, mark, func(origin Origin) (err error) {
		first = broker.Position{Epoch: origin.Epoch}
		head, err = call(mark, origin)
		return err
	})
	switch {
	case err != nil:
		return b.problems.note(err)
	case head.Epoch == 0:
		return b.problems.note(Foreign(errPage))
	case head != first:
		b.marks.note(topic, head, mark.Position)
	}
	return nil
}
