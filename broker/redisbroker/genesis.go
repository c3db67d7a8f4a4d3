package redisbroker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // the script
	"encoding/binary"
	"errors"

	"github.com/tidewire/tidewire/push"
)

//go:embed genesis.lua
var genesisLua string

// The genesis is a random text, the one thing in Redis that doesn't belong to a topic and
// doesn't expire. From it all instances derive the epoch in which a topic begins that
// isn't in Redis, so that asking for such a topic stores nothing, and that all its
// followers are at the same place. A Redis that has lost its data has another genesis, so
// nobody takes a new history for the old one.

// origin is how a topic begins that isn't in Redis.
type origin struct {
	genesis string
	epoch   push.Epoch // zero if its history was lost: then in an epoch that nobody has seen
	fresh   bool       // the genesis was asked for by this very call
}

// firstEpoch is the epoch that a topic begins with.
func firstEpoch(genesis, topic string) push.Epoch {
	sum := sha256.Sum256([]byte(genesis + idSeparator + topic))
	return push.Epoch(max(binary.BigEndian.Uint64(sum[:]), 1)) // zero is no epoch
}

// errStale is what the port answers if the genesis is another one.
var errStale = errors.New("redisbroker: the genesis is another one")

// loadGenesis asks Redis for the genesis, which it makes if need be.
func (b *Broker) loadGenesis(ctx context.Context) (string, error) {
	genesis, err := b.port.genesis(ctx)
	if err == nil {
		b.genesis.Store(&genesis)
	}
	return genesis, err
}

// beginning calls f with how a topic begins if it isn't in Redis, and again if the
// genesis was another one. A witness of something says that its history is lost then.
func (b *Broker) beginning(ctx context.Context, topic string, w witness, f func(origin) error) error {
	known := b.genesis.Load()
	for range 3 {
		o := origin{fresh: known == nil}
		if o.fresh {
			genesis, err := b.loadGenesis(ctx)
			if err != nil {
				return err
			}
			known = &genesis
		}
		o.genesis = *known
		if w.IsZero() {
			o.epoch = firstEpoch(o.genesis, topic)
		}
		if err := f(o); !errors.Is(err, errStale) {
			return err
		}
		known = nil
	}
	return push.Errorf(push.CodeUnavailable, "the broker's data is being replaced", errStale)
}

// isFirst reports whether a topic that isn't in Redis is where its followers are: nobody
// has published to it, as far as is known here.
func (b *Broker) isFirst(topic string, place push.Position) bool {
	genesis := b.genesis.Load()
	return genesis != nil && b.witnesses.at(topic).IsZero() && place == push.Position{Epoch: firstEpoch(*genesis, topic)}
}

func (s *server) genesis(ctx context.Context) (string, error) {
	c := s.beginnings.call([]string{s.options.genesisKey()}, []any{rand.Text()})
	if err := s.do(ctx, c.key(), checkCalls, c); err != nil {
		return "", err
	}
	reply, err := parts(c.command, 1)
	if err != nil {
		return "", err
	}
	return text(reply[0]), nil
}
