package push

import "github.com/tidewire/tidewire/broker"

// Stats are a hub's figures: what is now, and what was counted since New. Package
// push/metrics writes them as Prometheus reads them.
type Stats struct {
	Draining bool // Shutdown or Drain has begun

	Sessions int // connected now
	Topics   int // followed by somebody now
	// Subscriptions is how many topics the sessions follow now, or ask to, each counted for
	// each session.
	Subscriptions int
	// Revocations is how many revocations and restorations this instance keeps.
	Revocations int

	// Memory is how many bytes wait for clients now, as Limits.Memory counts them, and
	// MemoryLimit that limit.
	Memory, MemoryLimit int64
	// States is how many bytes the maps of the state topics have that are followed here. It
	// is a part of Memory.
	States int64

	// Queued frames, of QueuedBytes together, wait for their clients now. DeepestQueue is
	// how many bytes wait for the client that has the most. What is shared counts for each
	// of those for whom it waits, so that QueuedBytes may exceed Memory.
	Queued, QueuedBytes, DeepestQueue int
	// Backlog is how many messages wait for a shard that delivers them, counted for each
	// shard and format. Past 256 in one shard publishers wait.
	Backlog int

	Published uint64 // messages taken by Publish
	Delivered uint64 // live messages, once for each subscriber
	Replayed  uint64 // messages from history
	Gaps      uint64 // gaps told to clients
	Panics    uint64 // recovered from the application's hooks

	// Lagged counts how often a client of a state didn't read in time, and from then on got
	// only the newest value of each key, until it had all; Resets how often a state's
	// history broke, so that all its clients got it again.
	Lagged, Resets uint64

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

	// Transports has the figures of each transport that has had a client, by name: "ws",
	// "sse", "poll".
	Transports map[string]TransportStats
	// Broker has those of a broker that is [broker.Metered]; nil for any other.
	Broker *broker.Figures
}

// TransportStats are the figures of one transport.
type TransportStats struct {
	Sessions  int    // connected now; a client that polls has one while a poll waits
	Opened    uint64 // sessions so far; each poll is one
	Delivered uint64 // live messages, once for each subscriber
	// Written is how many bytes of frames the sessions have written, without what HTTP and
	// TLS add.
	Written uint64
	// Latency is the time from when a live message reached this instance, which for a
	// broker in memory is when it was published, to when a client's socket took it. A
	// sample of about one write in eight is counted, where the hub writes to many clients
	// from few goroutines, and each write elsewhere. Messages from history and changes of
	// states, which may wait for each other, aren't.
	Latency broker.Histogram
}

// Stats reads the figures. It looks at each session, so it takes some milliseconds where
// there are 100,000.
func (h *Hub) Stats() Stats {
	s := Stats{Draining: h.Draining(), Published: h.published.Load(), Revocations: h.revoker.table.Len()}
	if sessions := h.attached(); sessions != nil {
		sessions.Stats(&s)
	}
	if b, ok := h.broker.(broker.Metered); ok {
		figures := b.Figures()
		s.Broker = &figures
	}
	return s
}
