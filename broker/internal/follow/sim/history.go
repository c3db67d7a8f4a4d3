package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/broker/internal/keymap"
	"github.com/tidewire/tidewire/push"
)

// state is all that may come back.
type state struct {
	topics  map[string]*record
	genesis string // "" if there is none
	sets    map[string]map[string]storedValue
}

func emptyState() state {
	return state{topics: map[string]*record{}, sets: map[string]map[string]storedValue{}}
}

// copy returns the state as it is now, which no change touches.
func (s state) copy() state {
	sets := make(map[string]map[string]storedValue, len(s.sets))
	for name, set := range s.sets {
		sets[name] = maps.Clone(set)
	}
	return state{maps.Clone(s.topics), s.genesis, sets}
}

// record is all that is stored of a topic. It is replaced, never changed, so that
// the past stays what it was.
type record struct {
	head    broker.Position // zero if it was evicted
	birth   uint64          // unlike that of any other history
	begun   time.Time       // when the history began; zero if it began where nothing was known to be lost
	entries []*entry        // oldest first
	ids     map[string]storedID
	stateHead
	keys *keymap.Map // of a state; nil if there are none, or they were evicted
}

// stateHead is what the head of a state has besides: what the map must have.
type stateHead struct {
	isState             bool
	count, bytes, timed int // keys, what they and their values have, and those with a deadline
	due                 int64
}

// headOf is that of a state with these keys.
func headOf(keys *keymap.Map) stateHead {
	h := stateHead{isState: true, count: keys.Len(), bytes: keys.Bytes(), timed: keys.Timed()}
	if next, ok := keys.Next(); ok {
		h.due = next.UnixMilli()
	}
	return h
}

// isWhole reports whether the map is what the head says, as far as can be told without
// reading it.
func (rec *record) isWhole() bool {
	keys := rec.keys
	if keys == nil {
		keys = &keymap.Map{}
	}
	return keys.Len() == rec.count && keys.Timed() == rec.timed
}

// entry is one stored message.
type entry struct {
	*push.Message
	size    int
	before  broker.Position
	stored  time.Time
	damages int    // how often the store had lost something by then
	value   []byte // that the key of a state then had
}

// keep notes what is stored for those who ask what ever was.
func (s *Store) keep(e *entry) {
	s.all[e.Position] = e
	at := broker.Position{Epoch: e.Epoch, Offset: e.Offset}
	s.branches[at] = append(s.branches[at], e)
}

// hide notes which keys a read leaves out: those that are due.
func (s *Store) hide(topic string, rec *record) {
	if rec.due == 0 || now().UnixMilli() < rec.due {
		return
	}
	for _, m := range rec.keys.Messages(topic, rec.head.Epoch, false, time.Time{}) {
		if rec.keys.IsDue(m.Key, now()) {
			name := topic + " " + m.Key
			s.hidden[name] = append(s.hidden[name], broker.Version{Epoch: m.Epoch, Offset: m.Offset})
		}
	}
}

type storedID struct {
	birth    uint64
	position broker.Position
	content  string
	until    time.Time
}

// canTell reports whether it shows that a position isn't in this history, if it isn't:
// what was trimmed may have been there.
func (rec *record) canTell(p broker.Position) bool {
	return rec == nil || p.Epoch != rec.head.Epoch || p.Offset > rec.head.Offset ||
		slices.ContainsFunc(rec.entries, func(e *entry) bool { return e.Offset == p.Offset })
}

func (rec *record) entryAt(offset uint64) *entry {
	for _, e := range rec.entries {
		if e.Offset == offset {
			return e
		}
	}
	return nil
}

// contradicts reports whether the record lacks what a high-water mark says.
func (rec *record) contradicts(mark follow.HighWater) bool {
	switch {
	case mark.IsZero():
		return false
	case mark.Ended == rec.head.Epoch:
		return true
	case mark.Epoch != rec.head.Epoch:
		return false
	case mark.Offset >= rec.head.Offset:
		return mark.Position != rec.head
	}
	for _, e := range rec.entries {
		if e.Offset == mark.Offset {
			return e.Tag != mark.Tag
		}
	}
	return false // it is no longer kept, and nobody can tell
}

// content is what a message that is published again must have in common with the first.
func content(m *push.Message) string {
	return fmt.Sprintf("%v %q %q %v %q", m.Op, m.Event, m.Key, m.Encoding, m.Data)
}
