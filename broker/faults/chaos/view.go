package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/session"
)

// view is what one client has seen of one topic, and the judge of whether it may look like that. It keeps stretches,
// not messages. One goroutine at a time may use it.
type view struct {
	ledger *ledger
	client int
	topic  string

	place  broker.Position // zero until the client has one
	spans  []span
	gaps   int // since the last message
	gapped int // in all
}

// span is a stretch of messages without a gap.
type span struct {
	epoch     broker.Epoch
	after     uint64 // the offset that it began behind
	to        uint64 // the offset of its last message
	tag       uint32 // the tag at that offset
	reason    broker.GapReason
	began     time.Time
	ended     time.Time // when its last message came
	delivered int
}

func (s span) String() string {
	text := fmt.Sprintf("%s behind %d to %d (%d messages, until %s)",
		s.epoch, s.after, s.to, s.delivered, s.ended.Format(clock))
	if s.reason != "" {
		text = "gap " + string(s.reason) + ", then " + text
	}
	return s.began.Format(clock) + " " + text
}

// clock is how times stand in timelines.
const clock = "15:04:05.000"

// format gives a place as timelines show it.
func format(p broker.Position) string { return fmt.Sprintf("%s:%d:%08x", p.Epoch, p.Offset, p.Tag) }

// start notes where the client begins.
func (v *view) start(at broker.Position) { v.enter(at, "") }

func (v *view) enter(at broker.Position, reason broker.GapReason) {
	now := time.Now()
	v.place = at
	v.spans = append(v.spans, span{
		epoch: at.Epoch, after: at.Offset, to: at.Offset, tag: at.Tag, reason: reason, began: now, ended: now,
	})
}

// resumed judges where the server goes on with a client that has a place.
func (v *view) resumed(from session.From, at broker.Position) {
	if from != session.FromCursor || at != v.place {
		v.report(lost, "it came back at %s and was taken to be at %s, from %q", format(v.place), format(at), from)
		v.enter(at, "")
	}
}

// message judges a message.
func (v *view) message(at broker.Position, p payload) {
	from := v.place
	switch {
	case v.gotten(at):
		v.report(duplicated, "%v at %s came again", p, format(at))
	case at.Epoch != from.Epoch:
		v.report(lost, "%v at %s came right after %s, without a gap", p, format(at), format(from))
	case at.Offset <= from.Offset:
		v.report(disordered, "%v at %s came after %s", p, format(at), format(from))
	case at.Offset != from.Offset+1:
		v.report(lost, "%d messages are missing between %s and %v at %s", at.Offset-from.Offset-1, format(from), p, format(at))
	}
	v.ledger.delivered(v.client, v.topic, from, at, p)
	if at.Epoch != from.Epoch || at.Offset != from.Offset+1 {
		v.enter(broker.Position{Epoch: at.Epoch, Offset: at.Offset - 1}, "") // go on from here, so that it is told once
	}
	current := &v.spans[len(v.spans)-1]
	current.to, current.tag, current.ended = at.Offset, at.Tag, time.Now()
	current.delivered++
	v.place, v.gaps = at, 0
}

// gotten tells whether the client got the message at a place before.
func (v *view) gotten(at broker.Position) bool {
	for _, s := range v.spans {
		if s.holds(at) {
			tag, known := v.ledger.tagBefore(v.topic, s.last(), at.Offset)
			if !known || tag == at.Tag {
				return true
			}
		}
	}
	return false
}

// holds tells whether a message at that epoch and offset was delivered in the span, be it this one or its like on
// another branch.
func (s span) holds(at broker.Position) bool {
	return s.epoch == at.Epoch && s.after < at.Offset && at.Offset <= s.to
}

func (s span) last() broker.Position {
	return broker.Position{Epoch: s.epoch, Offset: s.to, Tag: s.tag}
}

// maxReplay is how many missed messages the instances replay.
const maxReplay = 1000

// gap judges a gap, which the server says begins at last, as far as clients are told.
func (v *view) gap(reason broker.GapReason, last *place, now broker.Position) {
	v.gaps++
	v.gapped++
	e := v.ledger.excuses()
	switch {
	case now == v.place:
		v.report(mistold, "a gap of nothing (%s) at %s", reason, format(now))
	case e.ever == 0:
		v.report(mistold, "a gap (%s) from %s to %s, and nothing was lost", reason, format(v.place), format(now))
	case e.splitsLately == 0 && v.left(now.Epoch):
		v.report(mistold, "a gap (%s) from %s back to %s, a history that had ended", reason, format(v.place), format(now))
	case e.splitsLately == 0 && v.gaps > max(1, e.lately) && v.spans[len(v.spans)-1].reason != broker.GapFork:
		// The branch that a fork leads to may be ended by who remembers the other one.
		v.report(mistold, "gap number %d (%s) in a row, from %s to %s", v.gaps, reason, format(v.place), format(now))
	case reason == broker.GapUnknownCursor,
		reason == broker.GapTrimmed && e.cuts == 0,
		reason == broker.GapTooMany && (now.Epoch != v.place.Epoch || now.Offset-v.place.Offset <= maxReplay),
		reason == broker.GapEpoch && now.Epoch == v.place.Epoch,
		(reason == broker.GapFork || reason == broker.GapTrimmed) && now.Epoch != v.place.Epoch:
		v.report(mistold, "a gap from %s to %s isn't %s", format(v.place), format(now), reason)
	case last != nil && !last.is(v.place):
		v.report(mistold, "a gap (%s) from %s:%d, where the client was at %s", reason, last.Epoch, last.Offset, format(v.place))
	}
	v.enter(now, reason)
}

// left tells whether the client was in an epoch, and is in another now.
func (v *view) left(epoch broker.Epoch) bool {
	return v.place.Epoch != epoch && slices.ContainsFunc(v.spans, func(s span) bool { return s.epoch == epoch })
}

func (v *view) report(kind violationKind, format string, args ...any) {
	v.ledger.found.add(kind, v.client, v.topic, format, args...)
}
