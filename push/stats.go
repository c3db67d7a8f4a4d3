package push

// Stats are a hub's figures: what is now, and what was counted since New.
type Stats struct {
	Sessions int // connected now
	Topics   int // followed by somebody now
	// Revocations is how many revocations and restorations this instance keeps.
	Revocations int

	// Memory is how many bytes wait for clients now, as Limits.Memory counts them.
	Memory int64

	Published uint64 // messages taken by Publish
	Delivered uint64 // live messages, once for each subscriber
	Replayed  uint64 // messages from history
	Gaps      uint64 // gaps told to clients
	Panics    uint64 // recovered from the application's hooks

	// States is how many bytes the maps of the state topics have that are followed here. It
	// is a part of Memory.
	States int64
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
}

// Stats reads the figures.
func (h *Hub) Stats() Stats {
	s := Stats{Published: h.published.Load(), Revocations: h.revoker.table.Len()}
	if sessions := h.attached(); sessions != nil {
		sessions.Stats(&s)
	}
	return s
}
