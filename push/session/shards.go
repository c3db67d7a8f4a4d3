package session

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// shards are the shards of a hub: as many as processors that Go uses (GOMAXPROCS), or has
// used at some time. That number may change while the program runs, as when a container
// gets another limit.
type shards struct {
	hub *Host // static

	opened atomic.Uint64            // sessions so far, to spread them
	all    atomic.Pointer[[]*shard] // never changed in place, and never shorter
	mu     sync.Mutex               // held to add to all; innermost
}

func (s *shards) init(h *Host) {
	s.hub = h
	s.all.Store(new([]*shard))
}

// list returns all shards. More may be added afterwards.
func (s *shards) list() []*shard { return *s.all.Load() }

// next returns the shard of a new session, which stays there. New sessions are spread over
// as many shards as Go uses processors now.
func (s *shards) next() *shard {
	n := runtime.GOMAXPROCS(0)
	if len(s.list()) < n {
		s.grow(n)
	}
	return s.list()[s.opened.Add(1)%uint64(n)]
}

// grow adds shards until there are n.
func (s *shards) grow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.list())
	for len(all) < n {
		all = append(all, newShard(s.hub))
	}
	s.all.Store(&all)
}
