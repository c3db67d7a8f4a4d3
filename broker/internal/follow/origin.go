package follow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Origin is how a topic begins that isn't stored.
//
// The genesis is a random text, the one thing in a store that belongs to no topic and
// doesn't expire. From it all instances derive the epoch in which such a topic begins, so
// that asking for it stores nothing and all its followers are at the same position. A
// store that has lost its data has another genesis, so nobody takes a new history for the
// old one.
type Origin struct {
	Genesis string
	Epoch   broker.Epoch // zero if the history was lost: then in an epoch that nobody has seen
	Fresh   bool         // the genesis was loaded for this very call
}

// FirstPosition is the position before the first message of a topic that nobody has
// published to.
func FirstPosition(genesis, topic string) broker.Position {
	// The separator is a character that no topic has.
	sum := sha256.Sum256([]byte(genesis + "\n" + topic))
	return broker.Position{Epoch: broker.Epoch(max(binary.BigEndian.Uint64(sum[:]), 1))} // zero is no epoch
}

// loadGenesis asks the store for the genesis, which it makes if need be.
func (b *Broker) loadGenesis(ctx context.Context) (string, error) {
	genesis, err := b.store.Genesis(ctx)
	if err == nil {
		b.genesis.Store(&genesis)
	}
	return genesis, err
}

// withOrigin calls f with how a topic begins if it isn't stored, and again if the genesis
// has changed. A high-water mark says that its history is lost then.
func (b *Broker) withOrigin(ctx context.Context, topic string, mark HighWater, f func(Origin) error) error {
	known := b.genesis.Load()
	for range 3 {
		fresh := known == nil
		if fresh {
			genesis, err := b.loadGenesis(ctx)
			if err != nil {
				return err
			}
			known = &genesis
		}
		if err := f(originOf(*known, fresh, topic, mark)); !errors.Is(err, ErrStale) {
			return err
		}
		known = nil
	}
	return errReplaced
}

var errReplaced = push.NewError(push.CodeUnavailable, "the broker's data is being replaced", ErrStale)

// originOf returns how a topic begins by a genesis. A high-water mark says that its history
// is lost if it isn't stored.
func originOf(genesis string, fresh bool, topic string, mark HighWater) Origin {
	origin := Origin{Genesis: genesis, Fresh: fresh}
	if mark.IsZero() {
		origin.Epoch = FirstPosition(genesis, topic).Epoch
	}
	return origin
}

// isFirst reports whether a topic that isn't stored is where its followers are: as far as
// this instance knows, nobody has published to it.
func (b *Broker) isFirst(topic string, at broker.Position) bool {
	genesis := b.genesis.Load()
	return genesis != nil && b.marks.of(topic).IsZero() && at == FirstPosition(*genesis, topic)
}
