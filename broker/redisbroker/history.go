package redisbroker

import (
	"context"

	"github.com/tidewire/tidewire/push"
)

// pageLimit bounds one read of a topic that is catching up.
var pageLimit = push.Limit{Messages: 1000, Bytes: 1 << 20}

// recent reads the last n messages and the head.
func (b *Broker) recent(ctx context.Context, topic string, n int) (push.Page, error) {
	return b.read(ctx, topic, query{newest: true, limit: push.Limit{Messages: n}}, b.witnesses.at(topic))
}

// since reads what follows a position, as push.Broker has it.
func (b *Broker) since(ctx context.Context, topic string, after push.Position, limit push.Limit) (push.Page, error) {
	return b.sinceSeen(ctx, topic, after, limit, b.witnesses.at(topic))
}

func (b *Broker) sinceSeen(ctx context.Context, topic string, after push.Position, limit push.Limit, w witness) (push.Page, error) {
	return b.read(ctx, topic, query{after: after, limit: limit}, w)
}

// from reads on from a place for those who are here: where the chain is broken,
// the messages that there are come behind the gap. From no place it reads the head.
// Heard is the highest position that was heard before; zero if none was.
func (b *Broker) from(ctx context.Context, topic string, place, heard push.Position) (push.Page, error) {
	if place.IsZero() {
		return b.recent(ctx, topic, 0)
	}
	page, err := b.since(ctx, topic, place, pageLimit)
	seen := place
	if heard.Epoch == page.Head.Epoch && heard.Offset > page.Head.Offset {
		seen = heard
	}
	if err == nil && (page.Gap == push.GapFork || seen == heard) {
		// What was seen here is lost, and others don't know: the witness has come to be of
		// the new branch, or hasn't got so far. Redis is told, so that all who may have
		// missed it are.
		page, err = b.sinceSeen(ctx, topic, place, pageLimit, witness{seen, b.witnesses.at(topic).left})
	}
	if err != nil || page.Gap != push.GapEpoch {
		return page, err
	}
	newest, err := b.recent(ctx, topic, pageLimit.Messages)
	if err != nil {
		return push.Page{}, err
	}
	if newest.Head.Epoch == place.Epoch { // it is back, between the two reads
		return b.since(ctx, topic, place, pageLimit)
	}
	newest.Gap = page.Gap
	return newest, nil
}

// read asks Redis, with what this instance has seen. A place before the first message of
// a topic that nobody has published to needs no witness.
func (b *Broker) read(ctx context.Context, topic string, q query, w witness) (page push.Page, err error) {
	var first push.Position
	err = b.beginning(ctx, topic, w, func(o origin) (err error) {
		first = push.Position{Epoch: o.epoch}
		page, err = b.port.read(ctx, topic, q, w, o)
		return err
	})
	switch {
	case err != nil:
		return push.Page{}, b.troubles.note(err)
	case page.Head.Epoch == 0:
		return push.Page{}, b.troubles.note(foreign(errReply))
	case page.Head != first:
		b.witnesses.note(topic, page.Head, w.Position)
	}
	return page, nil
}
