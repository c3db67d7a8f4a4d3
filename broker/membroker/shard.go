package membroker

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
)

const (
	shardCount    = 1024
	sweepInterval = time.Minute
)

// shard is the topics whose names share a part of their hash. Its own lock keeps
// publishers of different topics apart, and lets the sweep look at a million
// topics without stopping anybody for long.
//
// A topic that nobody has published to begins in an epoch that is made of its name and
// the broker's secret, so that it needs no memory unless it is followed. So does a topic
// that was forgotten; that a cursor of the old one isn't taken for one of the new is what
// [broker.Keeper] is for.
type shard struct {
	mu     sync.Mutex        // guards the rest; never held together with a topic's
	topics map[string]*topic // nil if there are none
}

var seed = maphash.MakeSeed()

func (b *Broker) shard(name string) *shard {
	return &b.shards[maphash.String(seed, name)%shardCount]
}

// find gives a topic, or nil.
func (s *shard) find(name string) *topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics[name]
}

// topic gives a topic, and makes it if need be.
func (b *Broker) topic(name string) (*topic, error) {
	s := b.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.closed.Load() {
		return nil, errClosed
	}
	t := s.topics[name]
	if t == nil {
		t = b.newTopic(strings.Clone(name)) // the text it came in isn't kept
		if s.topics == nil {
			s.topics = map[string]*topic{}
		}
		s.topics[t.name] = t
		b.add(1)
	}
	return t, nil
}

// newTopic makes a topic to which nobody has published.
func (b *Broker) newTopic(name string) *topic {
	epoch := broker.Epoch(maphash.String(b.secret, name))
	return &topic{name: name, rule: b.rules.Of(name), head: broker.Position{Epoch: max(epoch, 1)}} // zero is no epoch
}

// forget takes a forgotten topic out of its shard, unless another has its name.
func (b *Broker) forget(t *topic) {
	s := b.shard(t.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[t.name] != t {
		return
	}
	delete(s.topics, t.name)
	if len(s.topics) == 0 {
		s.topics = nil // a map keeps the size that it once had
	}
	b.add(-1)
}

// add counts topics, and starts the sweep for the first.
func (b *Broker) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count += n
	if b.count > 0 && b.sweep == nil && !b.closed.Load() {
		b.sweep = time.AfterFunc(sweepInterval, b.sweepTopics)
	}
}

// sweepTopics trims what is too old and forgets topics that nobody uses, so
// that an idle topic costs nothing. It runs on a timer, not in a goroutine that
// waits, and not at all while there are no topics.
func (b *Broker) sweepTopics() {
	now := time.Now()
	for i := range b.shards {
		for _, t := range b.shards[i].list() {
			if t.sweep(now, &b.options) {
				b.forget(t)
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed.Load():
	case b.count == 0:
		b.sweep = nil
	default:
		b.sweep.Reset(sweepInterval)
	}
}

func (s *shard) list() []*topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.topics))
}

// empty takes all topics.
func (s *shard) empty() []*topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := slices.Collect(maps.Values(s.topics))
	s.topics = nil
	return topics
}
