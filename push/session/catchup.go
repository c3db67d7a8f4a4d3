package session

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// catchUp is what is known of a client until it is where its instance is: what it
// has missed, and what came meanwhile. A client that comes from an instance which
// the broker told sooner may be ahead of this one, or of a newer epoch: then the
// messages up to the client's place are the ones that it has got.
type catchUp struct {
	// Static after attach, but for head and since, which readHistory moves behind a gap.
	feed  *feed
	from  From
	since broker.Position // where the client was, if from isn't FromNow; may be zero
	// issued is when the cursor was, in seconds since 1970, if since is before the first
	// message.
	issued   uint32
	head     broker.Position // the topic's head when it was attached
	outdated bool            // since may be of an earlier history with the same epoch

	// guarded by session.mu
	recent  int             // how many of the last messages are to follow a gap
	pending []*Frame        // live messages that wait
	gap     *broker.Gap     // must be told before anything else
	missed  []*entry        // replay: read, and not yet written; kept
	ahead   broker.Position // where the client is, until this instance has come there too
	waiting *time.Timer     // runs while ahead is set
	met     bool            // this instance came to the client's place during the replay
	lag     *lagging        // of a state: what the client lacks; nil for a log
}

// start is where the client was when it came; zero if that isn't known.
func (c *catchUp) start() broker.Position {
	if c.from == FromNow {
		return c.head
	}
	return c.since
}

// outOfReach tells why a replay needn't be tried.
func (c *catchUp) outOfReach() broker.GapReason {
	switch {
	case c.since.IsZero():
		return broker.GapUnknownCursor
	case c.outdated:
		return broker.GapEpoch
	case c.isAhead():
		return "" // only the broker knows whether the place is real
	case c.since.Offset == c.head.Offset:
		return broker.GapFork
	case c.head.Offset-c.since.Offset > uint64(c.feed.hub.options.ReplayMessages):
		return broker.GapTooMany
	default:
		return ""
	}
}

// isAhead reports whether the client says that it got more than this instance, or
// is of another epoch, which may be a newer one.
func (c *catchUp) isAhead() bool {
	return c.from != FromNow && (c.since.Epoch != c.head.Epoch || c.since.Offset > c.head.Offset)
}

func (c *catchUp) missing(reason broker.GapReason) *broker.Gap {
	return &broker.Gap{Topic: c.feed.topic, Reason: reason, Last: c.since, Now: c.head}
}

// history returns all that the client missed, or a gap: a replay is whole or isn't begun.
// Behind a gap it also returns the last messages, if the client wants them.
func (c *catchUp) history() (missed []*entry, gap *broker.Gap, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.feed.hub.options.BrokerTimeout)
	defer cancel()
	switch gap = c.gap; {
	case gap != nil:
	case c.from == FromRecent && c.isAhead():
		missed, err = c.feed.newest(ctx, c)
	}
	if gap == nil && missed == nil && err == nil {
		missed, gap, err = c.feed.missed(ctx, c)
	}
	if err != nil || gap == nil || c.recent == 0 {
		return missed, gap, err
	}
	return c.feed.lastBefore(ctx, c, *gap)
}

// goesOn is where this instance goes on for the client: what is live follows it.
func (c *catchUp) goesOn() broker.Position {
	if c.gap != nil {
		return c.gap.Now
	}
	return c.head
}

// missedIn finds what the client missed in a window, or the reason why it can't be
// had. It isn't ok if the window doesn't say. Who is ahead of this instance has
// missed nothing if its place is real.
func (c *catchUp) missedIn(w *window) (missed []*entry, gap *broker.Gap, ok bool) {
	switch {
	case !w.contains(c.since):
		return nil, nil, false
	case c.isAhead():
		return []*entry{}, nil, true
	case !w.contains(c.head):
		return nil, nil, false
	}
	missed = w.between(c.since, c.head)
	if sizeOf(missed) > c.feed.hub.options.ReplayBytes {
		return nil, c.missing(broker.GapTooMany), true
	}
	return missed, nil, true
}

// replay queues the next part of the first replay that waits.
func (s *Session) replay() {
	s.mu.Lock()
	if len(s.replays) > 0 && s.replays[0].feed.mirror != nil {
		sub := s.replays[0]
		s.mu.Unlock()
		s.sendState(sub)
		return
	}
	defer s.mu.Unlock()
	if len(s.replays) == 0 {
		return
	}
	sub := s.replays[0]
	for sub.wantsHistory() {
		if !s.readHistory(sub) {
			return
		}
	}
	if sub.state != replaying {
		s.replays = s.replays[1:]
		return
	}
	c := sub.catchUp
	s.catching = true
	for size := 0; size < writeSize && len(c.missed) > 0; {
		frame := c.missed[0].frame(s.format)
		if size > 0 && !s.outbox.fits(frame, s.hub.queue) {
			return // it goes on when the client has read so far
		}
		if !s.enqueue(frame) {
			return
		}
		c.missed[0].release()
		c.missed[0], c.missed = nil, c.missed[1:]
		size += len(frame.Bytes)
		s.hub.stats.replayed.Add(1)
	}
	if len(c.missed) == 0 {
		s.replays = s.replays[1:]
		sub.goLive()
	}
}

// readHistory reads what a client missed; false if the session is over. Called with
// s.mu held, which it gives up meanwhile.
func (s *Session) readHistory(sub *subscription) bool {
	c := sub.catchUp
	asked := *c
	s.mu.Unlock()
	missed, gap, err := asked.history()
	s.mu.Lock()
	meanwhile := !sub.wantsHistory() || c.gap != asked.gap
	if s.over || meanwhile {
		releaseAll(missed)
	}
	switch {
	case s.over:
		return false
	case meanwhile:
		// It was broken off or given up, and may have failed.
	case err != nil:
		s.historyFailed(c.feed, err)
		return false
	case gap != nil && len(missed) > 0:
		c.head, c.since = c.goesOn(), gap.Now
		c.gap = nil
		c.take(missed)
		s.hub.stats.gaps.Add(1)
		return s.enqueue(s.format.Gap(*gap))
	case gap != nil:
		if gap.Now != c.goesOn() {
			sub.awaitCatchUp(gap.Now)
		}
		c.gap, c.recent = gap, 0
	default:
		c.head, c.gap = c.goesOn(), nil // what was broken off isn't missed
		c.take(missed)
	}
	return true
}

// historyFailed ends a session whose client can't be told what it has missed. Called with
// s.mu held.
func (s *Session) historyFailed(f *feed, err error) {
	s.hub.warnings.log("push: history can't be read", "topic", f.topic, "error", shortened(err))
	s.drop()
	s.finish(push.NewError(push.CodeUnavailable, "history can't be read now", err))
}

// take makes messages the replay. If they come from a broker that is ahead of this
// instance, so is the client when it has got them. Called with session.mu held.
func (c *catchUp) take(missed []*entry) {
	c.missed = missed
	if len(missed) == 0 {
		return
	}
	if end := missed[len(missed)-1].message.Position; end != c.head {
		c.since, c.met = end, false
	}
}
