package session

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/tidewire/tidewire/push"
)

type counters struct {
	replayed, gaps, panics      atomic.Uint64
	withdrawn, unanswered, shed atomic.Uint64
	resets, lagged              atomic.Uint64

	mu      sync.Mutex
	closed  map[push.Code]uint64
	refused map[push.Code]uint64
}

func (c *counters) countClosed(reason *push.Error) {
	if reason == nil {
		c.countCode(&c.closed, "")
		return
	}
	c.countCode(&c.closed, reason.Code)
}

func (c *counters) countRefused(code push.Code) { c.countCode(&c.refused, code) }

func (c *counters) countCode(counts *map[push.Code]uint64, code push.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *counts == nil {
		*counts = map[push.Code]uint64{}
	}
	(*counts)[code]++
}

// addTo adds the figures of sessions.
func (h *Host) addTo(s *push.Stats) {
	h.addSessions(s)
	h.addShards(s)
	c := &h.stats
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Memory, s.MemoryLimit = h.memory.used.Load(), h.memory.limit
	s.States = h.mirrors.Load()
	s.Resets = c.resets.Load()
	s.Lagged = c.lagged.Load()
	s.Shed = c.shed.Load()
	s.Replayed = c.replayed.Load()
	s.Gaps = c.gaps.Load()
	s.Panics = c.panics.Load()
	s.Withdrawn = c.withdrawn.Load()
	s.Unanswered = c.unanswered.Load()
	s.Closed = maps.Clone(c.closed)
	s.Refused = maps.Clone(c.refused)
}
