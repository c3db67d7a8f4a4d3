package session

import (
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// health is what a host knows of itself for push.Health.
type health struct {
	mu       sync.Mutex // guards the rest
	warned   map[string]bool
	warnings []string
	rounds   map[*shard]progress
}

// progress is which round a shard was in, and since when that is known.
type progress struct {
	round uint64
	since time.Duration // on the hub's clock
}

const stuckPatience = 30 * time.Second

// addHealth adds what the host knows.
func (h *Host) addHealth(to *push.Health) {
	to.Memory, to.MemoryLimit = h.memory.used.Load(), h.memory.limit
	h.health.mu.Lock()
	defer h.health.mu.Unlock()
	to.Warnings = slices.Clone(h.health.warnings)
	to.Stuck = h.health.stuck(h.shards.list(), h.wheel.Now())
}

// stuck returns for how long a shard is known to have been in one round, if that is longer
// than any round takes. A round never waits. Called with c.mu held.
func (c *health) stuck(shards []*shard, now time.Duration) (longest time.Duration) {
	if c.rounds == nil {
		c.rounds = map[*shard]progress{}
	}
	for _, sh := range shards {
		round, ok := sh.inRound()
		known, again := c.rounds[sh]
		switch {
		case ok && round == 0:
			delete(c.rounds, sh)
		case !again, ok && known.round != round:
			c.rounds[sh] = progress{round, now}
		case now-known.since >= stuckPatience:
			longest = max(longest, now-known.since)
		}
	}
	return longest
}

// inRound returns the number of the round that the shard is in, 0 if it is idle. It isn't ok
// if the shard's lock is taken, which is never for long.
func (sh *shard) inRound() (round uint64, ok bool) {
	if !sh.mu.TryLock() {
		return 0, false
	}
	defer sh.mu.Unlock()
	if !sh.running {
		return 0, true
	}
	return sh.rounds, true
}
