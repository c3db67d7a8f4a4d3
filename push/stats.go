package push

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats are a hub's figures: what is now, and what was counted since New.
type Stats struct {
	Sessions int // connected now
	Topics   int // followed by somebody now

	// Memory is how many bytes wait for clients now, as Limits.Memory counts them.
	Memory int64

	Published uint64 // messages taken by Publish
	Delivered uint64 // live messages, once for each subscriber
	Replayed  uint64 // messages from history
	Gaps      uint64 // gaps told to clients
	Panics    uint64 // recovered from the application's hooks

	// Shed counts the sessions that were cut because all together held too much; see
	// Limits.Memory. They are among Closed, too.
	Shed uint64

	Withdrawn  uint64 // sessions that lost a topic, and were asked to come back
	Unanswered uint64 // questions of Options.Recheck without an answer, to be asked again

	// Closed counts the sessions that ended, by why; "" is a client that left, and
	// CodeTimeout one that was given up, because nothing came of it or its network.
	Closed map[Code]uint64
	// Refused counts what was refused, by code: requests, and topics and messages of
	// connected clients.
	Refused map[Code]uint64
}

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
