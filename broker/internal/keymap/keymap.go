// Package keymap is the map of a state topic in memory: what each change does to it, and
// when its keys end. Package membroker keeps it, and so does the store of the simulation.
// Package redisbroker has the same in its scripts.
//
// A map knows nothing of offsets: its owner decides on a change ([Map.Decide]), gives it a
// position in the topic's log, and applies it ([Map.Apply]).
package keymap

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// MaxExpired is how many keys end in one step, at most, so that no step takes long.
const MaxExpired = 100

// Map is the keys of a topic. The zero value is empty. It isn't safe for use by several
// goroutines.
type Map struct {
	entries   map[string]entry
	bytes     int // of keys and values
	deadlines deadlines
}

// entry is a key's value. It is replaced, never changed.
type entry struct {
	data     []byte
	encoding push.Encoding
	units    int            // of a text
	version  broker.Version // of its last change
	time     time.Time
	deadline time.Time // zero if it stays for ever
}

func (e *entry) isDue(now time.Time) bool {
	return !e.deadline.IsZero() && !now.Before(e.deadline)
}

// Len counts the keys.
func (m *Map) Len() int { return len(m.entries) }

// Bytes counts what the keys and their values have.
func (m *Map) Bytes() int { return m.bytes }

// Timed counts the keys that have a deadline.
func (m *Map) Timed() (n int) {
	for _, e := range m.entries {
		if !e.deadline.IsZero() {
			n++
		}
	}
	return n
}

// Untime makes all keys stay for ever, as a store does that has lost their deadlines.
func (m *Map) Untime() {
	for key, e := range m.entries {
		e.deadline = time.Time{}
		m.entries[key] = e
	}
}

// IsDue reports whether a key is there whose time is over.
func (m *Map) IsDue(key string, now time.Time) bool {
	e, there := m.entries[key]
	return there && e.isDue(now)
}

// Value returns what a key has; nil if it isn't there. Nobody changes it.
func (m *Map) Value(key string) []byte { return m.entries[key].data }

// Clone returns a copy, which no change of m touches.
func (m *Map) Clone() *Map {
	return &Map{maps.Clone(m.entries), m.bytes, slices.Clone(m.deadlines)}
}

// Decide returns what a change leads to in this epoch, and changes nothing: whether it goes
// into the log, or is done without (a touch) or for nothing (the delete of a key that isn't
// there), and Message.Start of an OpAppend. The error says why it is refused. Keys that are
// due must have been ended before.
func (m *Map) Decide(c *push.Message, rule *broker.TopicRule, epoch broker.Epoch) (logged bool, start int, err error) {
	old, there := m.entries[c.Key]
	if err := m.condition(c, epoch); err != nil {
		return false, 0, err
	}
	switch c.Op {
	case broker.OpSet:
		return true, 0, m.fits(c, rule, len(c.Data))
	case broker.OpAppend:
		if old.encoding != push.EncodingText {
			return false, 0, push.NewError(push.CodeConflict, NotText, nil)
		}
		return true, old.units, m.fits(c, rule, len(old.data)+len(c.Data))
	case broker.OpDelete:
		return there, 0, nil
	default: // OpTouch
		if !there {
			return false, 0, Conflict(broker.Version{})
		}
		return false, 0, nil
	}
}

// condition returns an error unless the key is as the change asks for.
func (m *Map) condition(c *push.Message, epoch broker.Epoch) error {
	now, there := m.version(c.Key, epoch)
	asked := c.IfVersion != broker.Version{}
	if there && c.IfAbsent || asked && (!there || now != c.IfVersion) {
		return Conflict(now)
	}
	return nil
}

// version returns that of a key.
func (m *Map) version(key string, epoch broker.Epoch) (version broker.Version, there bool) {
	e, there := m.entries[key]
	if !there {
		return broker.Version{}, false
	}
	return broker.Version{Epoch: epoch, Offset: e.offset(epoch)}, true
}

// offset is that of the last change, and 0 if that was in another epoch.
func (e *entry) offset(epoch broker.Epoch) uint64 {
	if e.version.Epoch != epoch {
		return 0
	}
	return e.version.Offset
}

// fits returns an error if there is no room for a value of this size.
func (m *Map) fits(c *push.Message, rule *broker.TopicRule, size int) error {
	old, there := m.entries[c.Key]
	total := m.bytes + size - len(old.data)
	if !there {
		total += len(c.Key)
	}
	switch {
	case size > rule.MaxValue:
		return push.NewError(push.CodeTooLarge, ValueTooLarge, nil)
	case !there && len(m.entries) >= rule.MaxKeys:
		return push.NewError(push.CodeLimitReached, TooManyKeys, nil)
	case total > rule.MaxBytes:
		return push.NewError(push.CodeLimitReached, TooManyBytes, nil)
	}
	return nil
}

// Apply makes a change that was decided on and has a position now, and a touch. Its TTL is
// as [TTL] says, and counts from its time. The map keeps its data.
func (m *Map) Apply(c *push.Message) {
	if m.entries == nil {
		m.entries = map[string]entry{}
	}
	old, there := m.entries[c.Key]
	m.bytes -= len(old.data)
	if there {
		m.bytes -= len(c.Key)
	}
	if c.Op == broker.OpDelete {
		delete(m.entries, c.Key)
		return
	}
	next := entry{c.Data, c.Encoding, 0, broker.Version{Epoch: c.Epoch, Offset: c.Offset}, c.Time, time.Time{}}
	switch {
	case c.Op == broker.OpTouch:
		next = old
		next.deadline = time.Time{}
	case c.Op == broker.OpAppend:
		next.data, next.units = slices.Concat(old.data, c.Data), old.units+broker.Units(c.Data)
	case c.Encoding == push.EncodingText:
		next.units = broker.Units(c.Data)
	}
	if c.TTL > 0 {
		next.deadline = c.Time.Add(c.TTL)
		m.deadlines.add(m, deadline{next.deadline, c.Key})
	}
	m.entries[c.Key] = next
	m.bytes += len(c.Key) + len(next.data)
}

// Due returns the keys that have to be deleted now, which the caller does: at most MaxExpired,
// those that were due first before the others, and besides one key, if that is due.
func (m *Map) Due(now time.Time, key string) []string {
	var due []string
	for len(due) < MaxExpired {
		next, ok := m.next()
		if !ok || next.at.After(now) {
			return due
		}
		m.deadlines.pop()
		if !slices.Contains(due, next.key) { // twice if it was renewed within a moment
			due = append(due, next.key)
		}
	}
	if e := m.entries[key]; e.isDue(now) && !slices.Contains(due, key) {
		due = append(due, key)
	}
	return due
}

// Next returns when the next key is due, if one has a deadline.
func (m *Map) Next() (at time.Time, ok bool) {
	next, ok := m.next()
	return next.at, ok
}

// next returns the earliest deadline. Those that don't hold any more are dropped here.
func (m *Map) next() (deadline, bool) {
	for len(m.deadlines) > 0 {
		next := m.deadlines[0]
		if m.entries[next.key].deadline.Equal(next.at) {
			return next, true
		}
		m.deadlines.pop()
	}
	return deadline{}, false
}

// Messages returns the keys that aren't due as push.StateBroker has them.
func (m *Map) Messages(topic string, epoch broker.Epoch, tellTime bool, now time.Time) []*push.Message {
	var all []*push.Message
	for key, e := range m.entries {
		if e.isDue(now) {
			continue
		}
		all = append(all, &push.Message{
			Topic: topic, Key: key, Op: broker.OpSet, Data: e.data, Encoding: e.encoding,
			Position: broker.Position{Epoch: epoch, Offset: e.offset(epoch)}, Time: e.time, TellTime: tellTime,
		})
	}
	slices.SortFunc(all, Order)
	return all
}

// Order compares keys by their last change, and those that were changed before the epoch by
// their names.
func Order(a, b *push.Message) int {
	return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Key, b.Key))
}
