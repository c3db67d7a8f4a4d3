package push

import (
	"context"
	"time"
)

// subscription is one session following one topic.
//
// It begins held: what comes is kept back until the session has announced it.
// Then it is live, or first replays what the client missed. The replay ends at
// the head of the moment when the subscription was attached; later messages
// wait in pending, and follow the replay with no seam. A client that comes from
// an instance which the broker told sooner may be ahead of that head, or of a newer
// epoch: then the messages up to the client's place are the ones that it has got.
type subscription struct {
	// static after attach
	session *Session
	feed    *feed
	from    From
	since   Position // where the client was, if from is FromCursor; may be zero
	head    Position // the topic's head when it was attached

	index int // in its group; guarded by feed.mu

	// guarded by session.mu
	state   subscriptionState
	pending []*Frame
	gap     *Gap        // must be told before anything else
	missed  []*Message  // replay: read, and not yet written
	ahead   Position    // where the client is, until this instance has come there too
	waiting *time.Timer // runs while ahead is set
	met     bool        // this instance came to the client's place during the replay
}

type subscriptionState uint8

const (
	held subscriptionState = iota
	replaying
	live
	ended
)

// deliver queues a message for the client.
func (sub *subscription) deliver(frame *Frame) {
	s := sub.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch sub.state {
	case live:
		sub.pass(frame)
	case held, replaying:
		if s.reserve(frame) {
			sub.pending = append(sub.pending, frame)
		}
	case ended:
	}
}

// pass queues a live message, unless the client got it before it came here.
func (sub *subscription) pass(frame *Frame) {
	s := sub.session
	if sub.ahead.IsZero() || frame.Cursor == "" {
		s.enqueue(frame)
		return
	}
	cursor, _ := ParseCursor(frame.Cursor)
	at, _ := cursor.Position(sub.feed.topic)
	switch {
	case at == sub.ahead:
		sub.meet()
	case at.Epoch == sub.ahead.Epoch && at.Offset >= sub.ahead.Offset:
		sub.sendAway()
	}
}

// goAhead notes where the client is, which the broker has just said is a real place.
// An instance that doesn't come there in time sends the client away.
func (sub *subscription) goAhead(place Position) {
	s := sub.session
	sub.ahead = place
	sub.waiting = time.AfterFunc(s.hub.options.BrokerTimeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.state == live && !sub.ahead.IsZero() && !s.over {
			sub.sendAway()
		}
	})
}

// meet notes that this instance has come to where the client is.
func (sub *subscription) meet() {
	sub.ahead = Position{}
	sub.waiting.Stop()
}

// sendAway ends the session of a client that is ahead: history has gone another way
// meanwhile. The client asks again, and will be told what it has missed.
func (sub *subscription) sendAway() {
	sub.session.drop()
	sub.session.finish(Errorf(CodeUnavailable, "this instance is behind the client", nil))
}

// deliverAside queues a message that has no place in the topic's order.
func (sub *subscription) deliverAside(frame *Frame) {
	s := sub.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch sub.state {
	case live, replaying:
		s.enqueue(frame)
	case held:
		if s.reserve(frame) {
			sub.pending = append(sub.pending, frame)
		}
	case ended:
	}
}

// breakOff queues a gap, which makes what was waiting before it pointless.
func (sub *subscription) breakOff(gap Gap, frame *Frame) {
	s := sub.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch sub.state {
	case live:
		if !sub.ahead.IsZero() {
			if sub.ahead.reaches(gap.Now) { // it has all that others miss
				if gap.Now == sub.ahead {
					sub.meet()
				}
				return
			}
			gap = gap.after(sub.ahead)
			sub.meet()
			frame = s.format.Gap(gap)
		}
		s.enqueue(frame)
		s.hub.stats.gaps.Add(1)
	case held, replaying:
		s.outbox.unreserve(sub.pending)
		sub.pending = nil
		switch {
		case sub.gap != nil:
			gap = gap.after(sub.gap.Last)
		case sub.missed != nil:
			gap = gap.after(sub.head) // the replay is whole, and goes first
		case sub.isAhead() && sub.since.reaches(gap.Now):
			// This instance comes after the client, if that is where it says.
			sub.met = gap.Now == sub.since
			return
		default:
			gap = gap.after(sub.start())
		}
		sub.gap = &gap
	case ended:
	}
}

// start is where the client was when it came; zero if that isn't known.
func (sub *subscription) start() Position {
	if sub.from == FromNow {
		return sub.head
	}
	return sub.since
}

// wantsHistory reports whether the replay is still to be read.
func (sub *subscription) wantsHistory() bool {
	return sub.state == replaying && sub.gap == nil && sub.missed == nil
}

// stop ends the subscription's part in its session.
func (sub *subscription) stop() {
	if sub.waiting != nil {
		sub.waiting.Stop()
	}
	sub.state, sub.pending, sub.missed, sub.gap = ended, nil, nil, nil
}

// release ends the hold after the announcement. Called with session.mu held.
func (sub *subscription) release() {
	switch {
	case sub.state != held:
	case sub.gap != nil, sub.start() == sub.head:
		sub.goLive()
	default:
		if reason := sub.outOfReach(); reason != "" {
			sub.gap = sub.missing(reason)
			sub.goLive()
			return
		}
		sub.state = replaying
		sub.session.replays = append(sub.session.replays, sub)
	}
}

// outOfReach tells why a replay needn't be tried.
func (sub *subscription) outOfReach() GapReason {
	switch {
	case sub.since.IsZero():
		return GapUnknownCursor
	case sub.isAhead():
		return "" // only the broker knows whether the place is real
	case sub.since.Offset == sub.head.Offset:
		return GapFork
	case sub.head.Offset-sub.since.Offset > uint64(sub.session.hub.options.Replay.Messages):
		return GapTooMany
	default:
		return ""
	}
}

// isAhead reports whether the client says that it got more than this instance, or
// is of another epoch, which may be a newer one.
func (sub *subscription) isAhead() bool {
	return sub.from == FromCursor && (sub.since.Epoch != sub.head.Epoch || sub.since.Offset > sub.head.Offset)
}

func (sub *subscription) missing(reason GapReason) *Gap {
	return &Gap{Topic: sub.feed.topic, Reason: reason, Last: sub.since, Now: sub.head}
}

// goLive queues the gap, if there is one, and all that waited. Called with
// session.mu held.
func (sub *subscription) goLive() {
	s := sub.session
	sub.state = live
	if sub.gap != nil {
		s.enqueue(s.format.Gap(*sub.gap))
		s.hub.stats.gaps.Add(1)
	} else if sub.isAhead() && !sub.met {
		sub.goAhead(sub.since)
	}
	s.outbox.unreserve(sub.pending)
	for _, frame := range sub.pending {
		sub.pass(frame)
	}
	sub.pending, sub.gap, sub.missed = nil, nil, nil
}

// history gives all that the client missed, or the reason why that can't be had:
// a replay is whole or isn't begun.
func (sub *subscription) history() ([]*Message, *Gap, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sub.session.hub.options.BrokerTimeout)
	defer cancel()
	return sub.feed.missed(ctx, sub)
}

// missedIn finds what the client missed in a window, or the reason why it can't be
// had. It isn't ok if the window doesn't say. Who is ahead of this instance has
// missed nothing if its place is real.
func (sub *subscription) missedIn(w *window) (missed []*Message, gap *Gap, ok bool) {
	switch {
	case !w.contains(sub.since):
		return nil, nil, false
	case sub.isAhead():
		return []*Message{}, nil, true
	case !w.contains(sub.head):
		return nil, nil, false
	}
	missed = w.between(sub.since, sub.head)
	if sizeOf(missed) > sub.session.hub.options.Replay.Bytes {
		return nil, sub.missing(GapTooMany), true
	}
	return missed, nil, true
}
