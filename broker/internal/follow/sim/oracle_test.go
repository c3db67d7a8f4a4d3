package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/session"
)

// view is what a client has seen of one topic, and the oracle of it: each frame is
// held against what is stored, at the moment when it comes.
type view struct {
	place
	moves []move // guarded by client.mu
}

// move is one step of a view: to the next message, or over a gap.
type move struct {
	to     broker.Position
	gap    bool // or a beginning
	at     time.Time
	cursor string
}

// welcome takes the answer for the topic.
func (v *view) welcome(t simAnswer) {
	v.stage, v.since = following, time.Now()
	at, ok := v.position(t.Cursor)
	begins := session.FromNow
	if v.client.recent > 0 {
		begins = session.FromRecent
	}
	switch {
	case t.From == string(begins) && v.asked.IsZero():
		if !ok || !v.world.store.isPosition(at) {
			v.violate("it is welcomed at %v, which is no position", at)
		}
		v.recent(at)
		v.move(at, true, t.Cursor)
	case v.foreign && v.asked.IsZero(): // and a gap says so
	case t.From == string(begins):
		v.violate("I1: its cursor is forgotten")
	case !ok || at != v.asked:
		v.violate("it is welcomed at %v, but asked for %v", at, v.asked)
	default:
		v.cursor = t.Cursor
	}
}

// recent holds a beginning, or the end of a gap, against the last messages that the client
// asked for. What was lost since may have been the last.
func (v *view) recent(at broker.Position) {
	r := v.world.store
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.topics[v.topic]
	if v.client.recent == 0 || rec == nil || r.damages > 0 || at.Epoch != rec.head.Epoch {
		return
	}
	n := 0
	for _, e := range rec.entries {
		if r.kept(e) {
			n++
		}
	}
	n = min(n, v.client.recent, v.world.replay.Messages)
	if at.Offset+uint64(n) > rec.head.Offset {
		v.violate("I4: it asked for %d, and begins at %v, with the head at %v", n, at, rec.head)
	}
	if n > 0 {
		v.world.count("last messages", 1)
	}
}

func (v *view) move(to broker.Position, gap bool, cursor string) {
	v.at, v.cursor, v.foreign = to, cursor, false
	v.moves = append(v.moves, move{to, gap, time.Now(), cursor})
	if !gap {
		v.world.count("messages", 1)
	}
}

// message takes a message, which must be the one after the client's position.
func (v *view) message(f simFrame) {
	after := v.after(f.At)
	at, _ := v.position(after)
	v.world.logf("%s: %s %q at %v", v.client.name, f.Topic, f.Data, at)
	e := v.world.store.find(at)
	switch {
	case v.stage == absent:
		v.violate("%v came, which isn't followed", at)
	case e == nil || e.Topic != v.topic || string(e.Data) != f.Data || e.Named != (f.ID != nil) || e.Named && strconv.Quote(e.ID) != string(f.ID):
		v.violate("%+v was never stored", f)
	case v.at.IsZero():
		v.violate("I4: %v came before the gap", at)
	case v.saw(at):
		v.violate("I2: %v came again", at)
	case e.before == v.at:
	case at.Epoch == v.at.Epoch && at.Offset > v.at.Offset:
		v.violate("I1: %v came, which follows %v", at, e.before)
	default:
		v.violate("I3: %v came, which follows %v", at, e.before)
	}
	if e != nil {
		v.world.onTime(&v.place, e)
		v.client.allowed(&v.place, e)
	}
	v.move(at, false, after)
	v.client.at.port.saw(v.topic, at)
}

// saw reports whether a message came before, in this epoch. The store may go back to an
// epoch that it had left; then its messages come a second time, behind a gap.
func (v *view) saw(p broker.Position) bool {
	for _, m := range slices.Backward(v.moves) {
		if m.gap && v.client.recent > 0 {
			break // behind a gap the last messages come, seen or not
		}
		if m.to == p && !m.gap {
			return true
		}
		if m.to.Epoch != p.Epoch {
			break
		}
	}
	return false
}

// gap takes a gap, whose reason must be true.
func (v *view) gap(f simFrame) {
	now, ok := v.position(f.Cursor)
	v.world.logf("%s: %s gap %s to %v", v.client.name, f.Topic, f.Reason, now)
	switch {
	case v.stage == absent:
		v.violate("a gap came, and it isn't followed")
	case !ok || !v.world.store.isPosition(now) || !f.Now.is(now):
		v.violate("I4: the gap leads to %+v, %v, which is no position", f.Now, now)
	case now == v.at:
		v.violate("I4: a gap of nothing")
	case !f.Last.is(v.at):
		v.violate("I4: the gap says that it begins at %+v", f.Last)
	case !v.isTrueOf(broker.GapReason(f.Reason), now):
		v.violate("I4: %s to %v isn't true", f.Reason, now)
	case v.at != v.forged && f.Reason != string(broker.GapFork) && v.world.store.isBehind(now, v.at):
		v.violate("I2: %s leads back to %v", f.Reason, now)
	}
	if v.foreign || v.at == v.forged && !v.world.store.isPosition(v.at) { // other gaps may come to a client that is live
		v.recent(now)
	}
	v.move(now, true, f.Cursor)
	v.world.count("gaps "+f.Reason, 1)
}

// isTrueOf is isTrue for a client that may get the last messages behind the gap: it leads
// to before the first of them.
func (v *view) isTrueOf(reason broker.GapReason, now broker.Position) bool {
	for n := 0; !now.IsZero(); n++ {
		if v.isTrue(reason, now) {
			return true
		}
		if n == v.client.recent {
			break
		}
		now = v.world.store.after(now)
	}
	return false
}

// after returns the position of a message that follows a position; zero if there is none.
func (s *Store) after(p broker.Position) broker.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, e := range s.all {
		if e.before == p {
			return at
		}
	}
	return broker.Position{}
}

// isTrue reports whether a gap from the client's position has this reason. While the
// system isn't well, an instance that the store has left behind may say what is true of
// its own position in the same epoch; but nobody is led back except out of a fork. Who
// has missed too many isn't looked up, so a fork doesn't show then.
func (v *view) isTrue(reason broker.GapReason, now broker.Position) bool {
	r := v.world.store
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, onward := r.topics[v.topic], r.leads(v.at, now)
	switch {
	case v.foreign:
		return reason == broker.GapUnknownCursor
	case v.at == v.forged && v.at.Epoch == now.Epoch:
		return reason != broker.GapUnknownCursor && reason != broker.GapEpoch
	case v.at != v.forged && r.damages == 0 && (reason == broker.GapEpoch || reason == broker.GapFork):
		return false
	case v.at.Epoch != now.Epoch:
		return reason == broker.GapEpoch
	case reason == broker.GapFork:
		return !onward && (rec == nil || !r.leads(v.at, rec.head)) || !v.world.calmSince(v.since)
	case !v.world.calmSince(v.since):
		return reason != broker.GapUnknownCursor && !r.leads(now, v.at)
	case reason == broker.GapTooMany:
		return now.Offset > v.at.Offset+uint64(v.world.replay.Messages)
	case reason == broker.GapTrimmed:
		var kept []*entry
		if rec != nil {
			kept = rec.entries
		}
		return onward && (len(kept) == 0 || kept[0].Offset > v.at.Offset+1 || !r.kept(kept[0]))
	default:
		return false
	}
}

// isPosition reports whether there has been such a position.
func (s *Store) isPosition(p broker.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, begun := s.begun[p]
	return begun || s.all[p] != nil
}

// isBehind reports whether one position leads to another, further on.
func (s *Store) isBehind(from, to broker.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return from != to && s.leads(from, to)
}

func (s *Store) find(p broker.Position) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[p]
}

// leads reports whether one position leads to another by the messages in between.
// Called with r.mu held.
func (s *Store) leads(from, to broker.Position) bool {
	for to.Offset > from.Offset && to.Epoch == from.Epoch && s.all[to] != nil {
		to = s.all[to].before
	}
	return to == from
}
