package push

import (
	"maps"
	"sync"
	"sync/atomic"
)

type counters struct {
	published, delivered, replayed, gaps, panics atomic.Uint64
	withdrawn, unanswered, shed                  atomic.Uint64

	mu      sync.Mutex
	closed  map[Code]uint64
	refused map[Code]uint64
}

func (c *counters) countClosed(reason *Error) {
	if reason == nil {
		c.countCode(&c.closed, "")
		return
	}
	c.countCode(&c.closed, reason.Code)
}

func (c *counters) countRefused(code Code) { c.countCode(&c.refused, code) }

func (c *counters) countCode(counts *map[Code]uint64, code Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *counts == nil {
		*counts = map[Code]uint64{}
	}
	(*counts)[code]++
}

// Stats reads the figures.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	sessions, topics := len(h.sessions), len(h.feeds)
	h.mu.Unlock()
	c := &h.stats
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Sessions:   sessions,
		Topics:     topics,
		Memory:     h.memory.used.Load(),
		Shed:       c.shed.Load(),
		Published:  c.published.Load(),
		Delivered:  c.delivered.Load(),
		Replayed:   c.replayed.Load(),
		Gaps:       c.gaps.Load(),
		Panics:     c.panics.Load(),
		Withdrawn:  c.withdrawn.Load(),
		Unanswered: c.unanswered.Load(),
		Closed:     maps.Clone(c.closed),
		Refused:    maps.Clone(c.refused),
	}
}
