package session

import (
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// subscription is one session following one topic.
//
// It begins held: what comes is kept back until the session has announced it.
// Then it is live, or first replays what the client missed. The replay ends at
// the head of the moment when the subscription was attached; later messages
// wait, and follow the replay with no seam.
type subscription struct {
	// static
	session *Session
	feed    *feed

	// guarded by shardGroup.mu
	lastSeq uint64 // by its feed, so far
	index   int    // in its part

	// guarded by session.mu
	catchUp *catchUp // nil once the client is live and where this instance is
	state   subscriptionState
	joined  bool // those who watch have been told; set before it is part of its session
}

type subscriptionState uint8

const (
	held subscriptionState = iota
	replaying
	live
	ended
)

func newSubscription(s *Session, f *feed, start startingPlace) *subscription {
	c := &catchUp{feed: f, from: start.from, since: start.position, issued: start.issued, recent: start.recent}
	if f.mirror != nil {
		c.lag = &lagging{syncing: true}
	}
	return &subscription{session: s, feed: f, catchUp: c}
}

// deliver takes what the feed has to tell. With now it is called by the session's
// shard, which has nothing else to do, and a message is written at once.
func (sub *subscription) deliver(d *delivery, now bool) {
	s := sub.session
	s.mu.Lock()
	if now && d.gap == nil && sub.state == live && sub.catchUp == nil && !s.writing && s.quick() && s.reserve(d.frame, true) {
		s.beginAtOnce(d.frame)
		s.mu.Unlock()
		s.tryWrite(s.shard.single[:], false)
		return
	}
	defer s.mu.Unlock()
	lent := d.lent && s.quick()
	switch {
	case d.gap != nil:
		sub.applyGap(*d.gap, d.frame)
	case sub.state == live && d.aside, sub.state == replaying && d.aside:
		s.put(d.frame, lent)
	case sub.state == live:
		sub.deliverLive(d.frame, lent)
	case sub.state != ended:
		sub.buffer(d.frame)
	}
}

// The methods below are called with session.mu held.

// buffer keeps a message back.
func (sub *subscription) buffer(frame *Frame) {
	if sub.session.reserve(frame, false) {
		sub.catchUp.pending = append(sub.catchUp.pending, frame)
	}
}

// deliverLive queues a live message, unless the client got it before it came here.
func (sub *subscription) deliverLive(frame *Frame, lent bool) {
	c := sub.catchUp
	if c == nil || frame.Cursor == "" {
		sub.session.put(frame, lent)
		return
	}
	cursor, _ := cursor.Parse(frame.Cursor)
	at, _ := cursor.Position(sub.feed.topic)
	switch {
	case at == c.ahead:
		sub.caughtUp()
	case at.Epoch == c.ahead.Epoch && at.Offset >= c.ahead.Offset:
		sub.disconnectAhead()
	}
}

// awaitCatchUp notes where the client is, which the broker has just said is a real place.
// An instance that doesn't come there in time sends the client away.
func (sub *subscription) awaitCatchUp(place broker.Position) {
	s, c := sub.session, sub.catchUp
	c.ahead = place
	c.waiting = time.AfterFunc(s.hub.options.BrokerTimeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.state == live && sub.catchUp == c && !s.over {
			sub.disconnectAhead()
		}
	})
}

// caughtUp notes that this instance has come to where the client is.
func (sub *subscription) caughtUp() {
	sub.catchUp.waiting.Stop()
	sub.catchUp = nil
}

// disconnectAhead ends the session of a client that is ahead: history has gone another way
// meanwhile. The client asks again, and will be told what it has missed.
func (sub *subscription) disconnectAhead() {
	sub.session.drop()
	sub.session.finish(push.NewError(push.CodeUnavailable, "this instance is behind the client", nil))
}

// applyGap queues a gap, which makes what was waiting before it pointless.
func (sub *subscription) applyGap(gap broker.Gap, frame *Frame) {
	s, c := sub.session, sub.catchUp
	switch sub.state {
	case live:
		if c != nil {
			if c.ahead.Reaches(gap.Now) { // it has all that others miss
				if gap.Now == c.ahead {
					sub.caughtUp()
				}
				return
			}
			gap = gap.After(c.ahead)
			sub.caughtUp()
			frame = s.format.Gap(gap)
		}
		s.enqueue(frame)
		s.hub.stats.gaps.Add(1)
	case held, replaying:
		s.unreserve(c.pending)
		c.pending = nil
		switch {
		case c.gap != nil:
			gap = gap.After(c.gap.Last)
		case c.missed != nil && !c.isAhead():
			gap = gap.After(c.head) // the replay is whole, and goes first
		case c.isAhead() && c.since.Reaches(gap.Now):
			// This instance comes after the client, if that is where it says.
			c.met = gap.Now == c.since
			return
		default:
			gap = gap.After(c.start())
		}
		c.gap = &gap
	case ended:
	}
}

// wantsHistory reports whether the replay is still to be read.
func (sub *subscription) wantsHistory() bool {
	c := sub.catchUp
	return sub.state == replaying && c.missed == nil && (c.gap == nil || c.recent > 0)
}

// forget ends a subscription that hasn't become part of its session.
func (s *Session) forget(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.stop()
	if s.ended { // else its end is still to come
		s.outbox.rest(&s.hub.memory)
	}
}

// stop ends the subscription's part in its session.
func (sub *subscription) stop() {
	if c := sub.catchUp; c != nil {
		sub.session.unreserve(c.pending)
		releaseAll(c.missed)
		if c.lag != nil {
			sub.session.hub.memory.give(c.lag.paid)
		}
		if c.waiting != nil {
			c.waiting.Stop()
		}
	}
	sub.state, sub.catchUp = ended, nil
}

// release ends the hold after the announcement.
func (sub *subscription) release() {
	if sub.state != held {
		return
	}
	if sub.feed.mirror != nil {
		sub.releaseState()
		return
	}
	c := sub.catchUp
	behind := c.start() != c.head || c.outdated
	if reason := c.outOfReach(); behind && c.gap == nil && reason != "" {
		c.gap = c.missing(reason)
	}
	if c.gap == nil && !behind || c.gap != nil && c.recent == 0 {
		sub.goLive()
		return
	}
	sub.state = replaying
	sub.session.replays = append(sub.session.replays, sub)
	sub.session.wake()
}

// goLive queues the gap, if there is one, and all that waited.
func (sub *subscription) goLive() {
	s, c := sub.session, sub.catchUp
	gap, pending := c.gap, c.pending // no longer the subscription's, which a full queue ends
	c.pending, c.gap, c.missed = nil, nil, nil
	sub.state = live
	if gap != nil {
		s.enqueue(s.format.Gap(*gap))
		s.hub.stats.gaps.Add(1)
	} else if c.isAhead() && !c.met {
		sub.awaitCatchUp(c.since)
	}
	if c.ahead.IsZero() {
		sub.catchUp = nil
	}
	for i, frame := range pending {
		// It is reserved again, and neither written nor dropped.
		if s.outbox.unreserve(&s.hub.memory, pending[i:i+1])&traced != 0 {
			s.hub.traces.settled(pending[i:i+1], nil)
		}
		if sub.state == live {
			sub.deliverLive(frame, false)
		}
	}
}
