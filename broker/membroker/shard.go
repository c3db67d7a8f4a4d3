package membroker

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	shardCount    = 1024
	sweepInterval = time.Minute
)

// shard is the topics whose names share a part of their hash. Its own lock keeps
// publishers of different topics apart, and lets the sweep look at a million
// topics without stopping anybody for long.
//
// A topic that nobody has published to is known by its shard's birth alone, so that
// asking for it costs no memory. When a topic is forgotten the birth changes, and
// with it that of the few others which share it: their clients are told a gap.
type shard struct {
	mu     sync.Mutex        // guards the rest; never held together with a topic's
	topics map[string]*topic // nil if there are none
	birth  push.Epoch        // what the first epochs of its topics are made of
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
		t = &topic{name: strings.Clone(name), head: push.Position{Epoch: s.firstEpoch(name)}} // the text it came in isn't kept
		if s.topics == nil {
			s.topics = map[string]*topic{}
		}
		s.topics[t.name] = t
		b.add(1)
	}
	return t, nil
}

// firstEpoch is the epoch that a topic begins with. Called with s.mu held.
func (s *shard) firstEpoch(name string) push.Epoch {
	epoch := s.birth ^ push.Epoch(maphash.String(seed, name))
	return max(epoch, 1) // zero is no epoch
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
	if t.head.Offset > 0 {
		s.birth = newEpoch()
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

func (s *shard) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics = nil
}
