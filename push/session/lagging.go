package session

import (
	"github.com/tidewire/tidewire/broker"
)

// lagging is what a client of a state topic lacks: of all keys at first, or since its
// cursor, and later of those that have changed while it didn't read. It is sent a few keys
// at a time, with the values of that moment, so what waits for a slow client is bounded by
// the map. All of it is guarded by session.mu.
type lagging struct {
	// snapshot are the keys of the map that are still to be sent, if all are to be. Those
	// that have gone meanwhile are passed over: the client never had them.
	snapshot []*mirrored
	keys     lackingKeys

	whole   bool             // all keys are to be sent, beginning with the next frame
	reset   broker.GapReason // the client has to forget all first, for this reason; "" if not
	history bool             // what has changed since the client's place is to be read
	syncing bool             // the client hasn't been told yet that it has all
	delayed bool             // nothing but the whole is sent before the next batch

	told uint64          // the last batch that is in it
	seen uint64          // mirror.restarts, of what the client has
	upTo broker.Position // all that has changed up to here is in it

	// The cursor moves to mark when so many keys are sent.
	mark broker.Position
	left int

	queued bool  // in session.replays
	paid   int64 // counted for keys
}

const (
	// stateWriteSize is about how many bytes of changes one write to a client that lags has.
	// It is less than writeSize, because what is being written can't be replaced by what is
	// newer.
	stateWriteSize = 8 << 10
	// maxInStep is how many bytes may wait for a client that is in step, if the kernel says
	// when it has read too little. A connection of another kind, such as TLS, only shows that
	// by a write that takes long: for its client no more may wait than one write has.
	maxInStep = writeSize
	// lackingCost is what a key counts for that waits.
	lackingCost = 96
)

// empty reports whether there is nothing to do.
func (l *lagging) empty() bool {
	return len(l.snapshot) == 0 && l.keys.len() == 0 && !l.whole && !l.history && !l.syncing
}

// take takes the changes of one write.
func (l *lagging) take(mr *mirror) (changes []Change) {
	for size := 0; size < stateWriteSize; size += changes[len(changes)-1].size() {
		c, ok := l.next(mr)
		if !ok {
			return changes
		}
		changes = append(changes, c)
		if l.left == 0 {
			return changes // the cursor moves
		}
	}
	return changes
}

func (l *lagging) next(mr *mirror) (Change, bool) {
	for len(l.snapshot) > 0 {
		e := l.snapshot[0]
		l.snapshot = l.snapshot[1:]
		l.left--
		if !e.gone {
			return e.whole(), true
		}
	}
	if l.keys.len() == 0 {
		return Change{}, false
	}
	l.left--
	return mr.change(l.keys.next()), true
}

// begin makes the snapshot of this moment what is to be sent.
func (l *lagging) begin(f *feed) {
	l.snapshot = f.mirror.list()
	l.keys.all()
	l.whole, l.history, l.syncing, l.delayed = false, false, true, false
	l.mark, l.left, l.upTo = f.head, len(l.snapshot), f.head
}

// pay counts what waits. It fails if the hub has no room.
func (l *lagging) pay(m *memory) bool {
	cost := int64(l.keys.len()) * lackingCost
	if cost > l.paid && !m.take(cost-l.paid, m.limit) {
		return false
	}
	if cost < l.paid {
		m.give(l.paid - cost)
	}
	l.paid = cost
	return true
}

// deliverBatch takes what has changed. In step is a client that has got all that was before:
// it gets the frames that all such clients share.
func (sub *subscription) deliverBatch(b *stateBatch) {
	s := sub.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.state == ended || s.over {
		return
	}
	if b.reset != "" {
		sub.restart(b)
		return
	}
	sent := 0
	if sub.catchUp == nil {
		for _, f := range b.frames {
			if !s.inStep(f.frame) {
				break
			}
			if !s.put(f.frame, b.lent && s.quick()) {
				return
			}
			sent = f.end
		}
		if sent == len(b.keys) {
			return
		}
		sub.catchUp = &catchUp{feed: sub.feed, lag: &lagging{mark: b.upTo, left: len(b.keys) - sent, seen: b.restarts, upTo: b.upTo}}
		s.hub.stats.lagged.Add(1)
	}
	sub.lag(b, b.keys[sent:])
}

// The methods below are called with session.mu held.

// inStep reports whether a client has read so far that it can be sent a frame at once.
func (s *Session) inStep(frame *Frame) bool {
	o, most := &s.outbox, maxInStep
	if s.try == nil {
		most = stateWriteSize
	}
	return o.count == 0 || !o.waits && o.size+frame.size() <= most && o.fits(frame, s.hub.queue)
}

// lag adds keys to what the client lacks.
func (sub *subscription) lag(b *stateBatch, keys []lackingKey) {
	l := sub.catchUp.lag
	for _, k := range keys {
		l.keys.add(k)
	}
	l.told = b.number
	l.delayed = false
	if b.upTo.Reaches(l.upTo) { // it may have begun before a snapshot that has been sent
		l.upTo = b.upTo
	}
	if !l.pay(&sub.session.hub.memory) {
		sub.session.cutForMemory()
		return
	}
	sub.sendLater()
}

// restart tells the client everything again, from a snapshot.
func (sub *subscription) restart(b *stateBatch) {
	if sub.catchUp == nil {
		sub.catchUp = &catchUp{feed: sub.feed, lag: &lagging{}}
	}
	l := sub.catchUp.lag
	l.keys.all()
	l.pay(&sub.session.hub.memory)
	l.snapshot, l.history = nil, false
	l.whole, l.reset, l.syncing = true, b.reset, true
	l.told, l.seen, l.upTo = b.number, b.restarts, b.upTo
	sub.sendLater()
}

// sendLater has what the client lacks sent when it has read what is before, once it was
// announced.
func (sub *subscription) sendLater() {
	s, l := sub.session, sub.catchUp.lag
	if sub.state == held || l.queued {
		return
	}
	l.queued = true
	s.replays = append(s.replays, sub)
	s.wake()
}

// releaseState ends the hold: the client gets the snapshot, or what has changed since its
// place.
func (sub *subscription) releaseState() {
	c := sub.catchUp
	l := c.lag
	if l.upTo.IsZero() {
		l.upTo = c.head
	}
	sub.state = live
	switch behind := c.since != c.head || c.outdated; {
	case l.whole:
	case c.from != FromCursor:
		l.whole = true
	case !behind:
		l.mark = c.head
	default:
		l.reset = c.outOfReach()
		if c.isAhead() && l.reset == "" {
			l.reset = c.aheadReason()
		}
		l.whole, l.history = l.reset != "", l.reset == ""
	}
	sub.sendLater()
}

// aheadReason is why the place of a client isn't good that isn't one of this instance's,
// which has all that the broker had when the client came.
func (c *catchUp) aheadReason() broker.GapReason {
	if c.since.Epoch != c.head.Epoch {
		return broker.GapEpoch
	}
	return broker.GapFork
}

// sendState sends the next part of what a client of a state lacks.
func (s *Session) sendState(sub *subscription) {
	f := sub.feed
	if !s.readChanges(sub) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.replays) == 0 || s.replays[0] != sub {
		return
	}
	s.replays = s.replays[1:]
	if sub.state == ended {
		return // the client has left the topic
	}
	l := sub.catchUp.lag
	l.queued = false
	if f.mirror.loading || f.mirror.restarts != l.seen {
		return // a snapshot follows
	}
	if l.delayed && !l.whole {
		return // the next batch follows
	}
	format := s.format.(StateFormat)
	if l.whole {
		if l.reset != "" && !s.enqueue(format.Reset(f.topic, l.reset, f.head.Epoch)) {
			return
		}
		l.reset = ""
		l.begin(f)
	}
	if !s.sendChanges(format, f, l) {
		return
	}
	l.pay(&s.hub.memory)
	switch {
	case !l.empty():
		sub.sendLater()
	case l.told == f.stateGroup(s).toldSoFar():
		sub.catchUp = nil // the next batch has all that is new
	}
}

// sendChanges queues one frame of changes, and what is to be said when all are sent.
func (s *Session) sendChanges(format StateFormat, f *feed, l *lagging) bool {
	changes := l.take(f.mirror)
	at := broker.Position{}
	reached := l.left <= 0 && len(l.snapshot) == 0
	if reached && l.keys.len() == 0 { // all that has changed since is sent, too
		l.mark = l.upTo
	}
	if reached && !l.syncing {
		at = l.mark
	}
	if len(changes) > 0 && !s.enqueue(format.State(f.topic, changes, at)) {
		return false
	}
	if !reached {
		return true
	}
	if l.syncing && !s.enqueue(format.Synced(f.topic, l.mark)) {
		return false
	}
	l.syncing = false
	l.mark, l.left = l.upTo, l.keys.len()
	return true
}

// readChanges reads what has changed since the client's place, if that is to be done; false
// if the session is over.
func (s *Session) readChanges(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sub.catchUp
	if c == nil || !c.lag.history {
		return true
	}
	asked := *c
	s.mu.Unlock()
	missed, gap, err := asked.history()
	defer releaseAll(missed)
	lacking := c.feed.lackingOf(missed)
	s.mu.Lock()
	l := c.lag
	switch {
	case s.over:
		return false
	case sub.state == ended, !l.history: // the client has left the topic, or a snapshot is to be sent instead
	case err != nil:
		s.historyFailed(c.feed, err)
		return false
	case gap != nil:
		l.history, l.whole, l.reset = false, true, gap.Reason
	default:
		l.history = false
		for _, k := range lacking {
			l.keys.add(k)
		}
		l.mark, l.left = c.head, l.keys.len()
		if !l.pay(&s.hub.memory) {
			s.cutForMemory()
			return false
		}
	}
	return true
}
