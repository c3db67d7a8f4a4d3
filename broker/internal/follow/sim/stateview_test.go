package sim

import (
	"maps"
	"time"
	"unicode/utf16"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// stateView is what a client has of one state, and the oracle of it: each change is held
// against what was ever stored, and each move of the cursor against what is stored up to
// there.
type stateView struct {
	place

	// guarded by client.mu
	values map[string]stateValue
	told   map[string]uint64 // by key, the last change of this epoch that the client knows of, as far as can be told
	epoch  broker.Epoch      // of the versions
	lost   bool              // its position isn't real: a reset must come first
	isNew  bool              // a snapshot has begun, and isn't whole yet
	beyond map[string]bool   // keys that it has from after its position, which may have been lost since
	moves  []stateMove
	got    int // changes since the last move
}

type stateValue struct {
	text    string
	version uint64
}

// stateMove is one move of the cursor, with all that a client has which stores it.
type stateMove struct {
	at     broker.Position
	cursor string
	values map[string]stateValue
	told   map[string]uint64
	epoch  broker.Epoch
}

// welcome takes the answer for the topic.
func (v *stateView) welcome(t simAnswer) {
	v.stage, v.since = following, time.Now()
	v.setEpoch(t.Epoch)
	at, known := v.position(t.Cursor)
	switch {
	case t.Kind != "state":
		v.violate("it is welcomed to a %q", t.Kind)
	case t.From == "snapshot" && v.asked.IsZero(): // also with the cursor of a log, which another topic's part doesn't spoil
		v.clear(false)
		v.foreign = false
	case t.From != "cursor":
		v.violate("its cursor is forgotten: it begins with %q", t.From)
	case v.foreign:
		v.lost = true
	case !known || at != v.asked:
		v.violate("it is welcomed at %v, but asked for %v", at, v.asked)
	default:
		v.lost = at == v.forged || at.Epoch != v.epoch
		v.cursor = t.Cursor
		v.doubt()
	}
}

// doubt notes what the client has from after the position with which it comes back. If the
// store has lost something, that may be lost too, and nobody may be left who knows.
func (v *stateView) doubt() {
	v.beyond = map[string]bool{}
	for key, told := range v.told {
		if told > v.at.Offset && v.world.store.damageSoFar() > 0 {
			v.beyond[key], v.told[key] = true, v.at.Offset
		}
	}
}

func (v *stateView) setEpoch(text string) {
	epoch, err := broker.ParseEpoch(text)
	if err != nil {
		v.violate("epoch %q: %v", text, err)
	}
	v.epoch = epoch
}

// clear begins a snapshot. What the client knew stays known, unless the history may have gone
// another way.
func (v *stateView) clear(another bool) {
	v.values, v.isNew, v.lost, v.beyond = map[string]stateValue{}, true, false, nil
	if another || v.told == nil || v.world.store.damageSoFar() > 0 {
		v.told = map[string]uint64{}
	}
}

// reset takes a reset, whose reason must be true.
func (v *stateView) reset(f simFrame) {
	v.world.logf("%s: %s reset %s %s", v.client.name, f.Topic, f.Reason, f.Epoch)
	v.setEpoch(f.Epoch)
	switch reason := broker.GapReason(f.Reason); {
	case v.stage == absent:
		v.violate("a reset came, and it isn't followed")
	case !v.justifies(reason):
		v.violate("a reset for %s isn't justified", reason)
	}
	v.clear(f.Reason == string(broker.GapFork) || f.Reason == string(broker.GapEpoch))
	v.begin() // what it had is gone, and so is where that was
	v.emptied = true
	v.world.count("resets "+f.Reason, 1)
}

// justifies reports whether there was a reason to send the whole state again.
func (v *stateView) justifies(reason broker.GapReason) bool {
	r := v.world.store
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.topics[v.topic]
	switch {
	case reason == broker.GapUnknownCursor:
		return v.foreign
	case v.foreign: // unless the history breaks meanwhile
		return !v.world.calmSince(v.since)
	case v.at == v.forged:
		return true
	case r.damages == 0 && (reason == broker.GapEpoch || reason == broker.GapFork):
		return false
	case rec == nil || !v.world.calmSince(v.since):
		return true // an instance that is behind may say so
	}
	switch r.gapAfter(rec, v.at) {
	case "":
		return reason == broker.GapTooMany && rec.head.Offset > v.at.Offset+uint64(v.world.replay.Messages)
	case broker.GapEpoch:
		return reason == broker.GapEpoch
	default:
		return reason != broker.GapEpoch
	}
}

// change takes changes, and the end of a batch.
func (v *stateView) change(f simFrame) {
	v.world.logf("%s: %s %d changes, at %q", v.client.name, f.Topic, len(f.Changes), f.At)
	switch {
	case v.stage == absent:
		v.violate("changes came, and it isn't followed")
	case v.lost:
		v.violate("changes came before the reset")
	case len(f.Changes) == 0:
		v.violate("no changes came")
	}
	for i := range f.Changes {
		v.apply(&f.Changes[i])
	}
	v.world.count("changes", len(f.Changes))
	v.got += len(f.Changes)
	if f.At == "" {
		return
	}
	if v.isNew {
		v.violate("the cursor moves before the map is whole")
	}
	cursor := v.after(f.At)
	to, _ := v.position(cursor)
	v.moveTo(to, cursor)
}

// apply does what protocol.md says, and looks at what becomes of the key.
func (v *stateView) apply(c *simChange) {
	r, old := v.world.store, v.values[c.Key]
	v.world.logf("%s: %s %q %s version %d from %d: %.20q", v.client.name, v.topic, c.Key, c.Op, c.Version, c.Start, c.value())
	switch c.Op {
	case "delete":
		r.mu.Lock()
		deleted := r.deletedFrom(v.topic, v.epoch, c.Key, v.told[c.Key])
		isDue := r.wasHidden(v.topic, v.epoch, c.Key, v.told[c.Key])
		r.mu.Unlock()
		if deleted == 0 && !isDue {
			v.violate("%q is deleted, which nobody has done", c.Key)
		}
		delete(v.values, c.Key)
		delete(v.beyond, c.Key)
		v.told[c.Key] = max(v.told[c.Key], deleted)
		return
	case "append":
		units := utf16.Encode([]rune(old.text))
		if c.Start > len(units) && !v.beyond[c.Key] {
			v.violate("a piece of %q begins at %d of %d", c.Key, c.Start, len(units))
		}
		c.Start = min(c.Start, len(units))
		old.text = string(utf16.Decode(units[:c.Start])) + c.value()
	default:
		old.text = c.value()
	}
	_, there := v.values[c.Key]
	if told := v.told[c.Key]; c.Version < told || c.Version == told && told > 0 && !there && !v.isNew {
		v.violate("%q goes back from %d to %d", c.Key, told, c.Version)
	}
	e, was := r.had(v.topic, v.epoch, c, old.text)
	switch {
	case was:
		delete(v.beyond, c.Key)
	case !v.beyond[c.Key] || c.Op != "append": // a piece of the one branch is added to what is left of the other
		v.violate("%q never was %.40q at version %d", c.Key, old.text, c.Version)
	}
	if e != nil {
		v.client.allowed(&v.place, e)
		if isJSON := e.Encoding == push.EncodingJSON; isJSON == c.isText() || isJSON && c.Op != "" {
			v.violate("%q is told as %q %s, and has the encoding %v", c.Key, c.Op, c.Data, e.Encoding)
		}
	}
	v.values[c.Key], v.told[c.Key] = stateValue{old.text, c.Version}, c.Version
}

// moveTo moves the cursor forward: the client must have all that is up to there.
func (v *stateView) moveTo(to broker.Position, cursor string) {
	r := v.world.store
	r.mu.Lock()
	switch now := r.upTo(v.at, to); {
	case v.at.IsZero():
		v.violate("it moves to %v from nowhere", to)
	case !r.leads(v.at, to):
		v.violate("it moves to %v, which doesn't follow", to)
	default:
		v.has(now, to)
	}
	r.mu.Unlock()
	v.moved(to, cursor)
}

func (v *stateView) moved(to broker.Position, cursor string) {
	if more := int(to.Offset-v.at.Offset) - v.got; v.client.slow && v.at.Epoch == to.Epoch && to.Offset > v.at.Offset && more > 0 {
		v.world.count("changes that slow readers are spared", more)
	}
	v.at, v.cursor, v.foreign, v.emptied, v.got = to, cursor, false, false, 0
	v.moves = append(v.moves, stateMove{to, cursor, maps.Clone(v.values), maps.Clone(v.told), v.epoch})
	v.client.at.port.saw(v.topic, to)
}

// has checks that the client has what keys were at a position, or became since. Called with
// store.mu held.
func (v *stateView) has(keys map[string]*entry, at broker.Position) {
	for key, e := range keys {
		value, there := v.values[key]
		switch {
		case v.beyond[key]: // it may be of another branch
		case e.Op == broker.OpDelete && there && value.version < e.Offset:
			v.violate("at %v it has %q of version %d, which was deleted at %d", at, key, value.version, e.Offset)
		case e.Op == broker.OpDelete:
			v.told[key] = max(v.told[key], e.Offset)
		case there && value.version < e.Offset:
			v.violate("at %v it has %q of version %d, which is %d", at, key, value.version, e.Offset)
		case !there && !v.isDeleted(key, e.Offset, e.Offset):
			v.violate("at %v it lacks %q, which is %d", at, key, e.Offset)
		}
	}
}

// isDeleted reports whether a key that the client lacks at an offset was deleted since, or was
// left out by a read because it was due, at its version or a later one. Called with store.mu
// held.
func (v *stateView) isDeleted(key string, version, at uint64) bool {
	r := v.world.store
	deleted := r.deletedFrom(v.topic, v.epoch, key, max(at+1, v.told[key]))
	v.told[key] = max(v.told[key], deleted)
	return deleted > 0 || r.wasHidden(v.topic, v.epoch, key, version)
}

// whole takes the end of a snapshot, or of what came after a cursor.
func (v *stateView) whole(f simFrame) {
	at, known := v.position(f.Cursor)
	v.world.logf("%s: %s synced at %v", v.client.name, f.Topic, at)
	v.setEpoch(f.Epoch)
	r := v.world.store
	r.mu.Lock()
	_, isBegun := r.begun[at]
	switch {
	case v.stage == absent:
		v.violate("a synced came, and it isn't followed")
	case v.lost:
		v.violate("it is whole before the reset")
	case !known || at.Epoch != v.epoch || !isBegun && r.all[at] == nil:
		v.violate("it is whole at %v, which is no position", at)
	case !v.isNew && !r.leads(v.at, at):
		v.violate("it is whole at %v, which doesn't follow", at)
	case v.at.Epoch == at.Epoch && v.at.Offset > at.Offset && r.damages == 0 && v.at != v.forged:
		v.violate("it goes back to %v", at)
	default:
		v.has(r.upTo(broker.Position{}, at), at)
		v.hasNoMore(at)
	}
	r.mu.Unlock()
	v.isNew = false
	v.moved(at, f.Cursor)
}

// hasNoMore checks that the client has no keys that weren't there at a position, nor came
// since. Called with store.mu held.
func (v *stateView) hasNoMore(at broker.Position) {
	changed, before := v.world.store.upTo(broker.Position{}, at), v.world.store.before(at)
	for key, value := range v.values {
		if changed[key] == nil && !v.beyond[key] && value.version <= at.Offset && (value.version > 0 || before[key] == "") {
			v.violate("at %v it has %q of version %d, which wasn't there", at, key, value.version)
		}
	}
	for key := range before {
		if _, there := v.values[key]; !there && changed[key] == nil && !v.beyond[key] && !v.isDeleted(key, 0, at.Offset) {
			v.violate("at %v it lacks %q, which was there before the epoch", at, key)
		}
	}
}

// rewind makes the client forget its last moves. One that stores its cursor less often than
// its map has a newer map.
func (v *stateView) rewind(n int, onlyCursor bool) (rewound bool) {
	n = min(n, len(v.moves)-1)
	if n <= 0 || onlyCursor && (v.moves[len(v.moves)-1-n].epoch != v.epoch || v.isNew) {
		return false
	}
	v.moves = v.moves[:len(v.moves)-n]
	last := v.moves[len(v.moves)-1]
	v.at, v.cursor, v.foreign, v.emptied, v.rewound = last.at, last.cursor, false, false, time.Now()
	if !onlyCursor {
		v.values, v.told, v.epoch, v.isNew = maps.Clone(last.values), maps.Clone(last.told), last.epoch, false
	}
	return true
}

// converged checks that the client has the map that the store has.
func (v *stateView) converged(when string) {
	want, whole := v.world.store.mapOf(v.topic)
	if !whole {
		return
	}
	v.world.store.mu.Lock()
	maps.DeleteFunc(want, func(key string, _ stateValue) bool {
		_, there := v.values[key]
		return !there && v.world.store.isDue(v.topic, key)
	})
	v.world.store.mu.Unlock()
	for key := range v.beyond {
		if v.values[key] != want[key] {
			v.world.count("beyond the cursor and lost", 1)
			delete(want, key)
			delete(v.values, key)
		}
	}
	if v.isNew || !maps.Equal(v.values, want) {
		v.violate("%s it has %v (new %v), and the store %v", when, v.values, v.isNew, want)
	}
}
