// Package mirror is a client's copy of a state topic, kept as docs/protocol.md says, and the judge of how it came about.
package mirror

import (
	"fmt"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Map is a client's copy of one state topic. It applies what servers say, over whatever connections, and notes what they
// may not say: a key that goes back, a piece that is missing, a cursor that moves when it may not. All methods may be
// called by any number of goroutines.
type Map struct {
	// Judge, if it isn't nil, says what is wrong with a value that replaces another of the same key; "" if nothing is.
	// Before is nil if the key was deleted, or wasn't there since the last reset. It is set before the first frame.
	Judge func(key string, before, now []byte) string

	topic string

	mu       sync.Mutex // guards the rest
	values   map[string]value
	newest   map[string]seen // of all keys since the last reset, deleted ones too
	epoch    broker.Epoch
	complete bool
	forget   bool // a reset has to come before anything else
	cursor   string
	at       broker.Position // of the cursor
	figures  Figures
	wrong    []string
}

// Figures are what a map was told.
type Figures struct {
	Snapshots, Resets int // begun
	Frames            int // that were about the topic
	Sets, Appends     int
	Deletes           int
}

type value struct {
	data     []byte
	encoding push.Encoding
}

// seen is the last that was told of a key.
type seen struct {
	version uint64
	deleted bool
	data    []byte
}

// maxWrong bounds what is kept of what is wrong: the first tells most.
const maxWrong = 20

// New makes an empty map of a topic that nothing was told of.
func New(topic string) *Map {
	return &Map{topic: topic, values: map[string]value{}, newest: map[string]seen{}}
}

// Cursor is where a connection continues; "" if it has to begin with a snapshot.
func (m *Map) Cursor() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursor
}

// Forget has the next connection begin with a snapshot. What was told before still holds: no key may go back.
func (m *Map) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cursor = ""
}

// Complete reports whether the map has had all keys since it was emptied last.
func (m *Map) Complete() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.complete
}

// Figures are what the map was told so far.
func (m *Map) Figures() Figures {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.figures
}

// Get returns the value of a key, and reports whether it is there.
func (m *Map) Get(key string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return string(v.data), ok
}

// Wrong is what servers said and may not, the first in front.
func (m *Map) Wrong() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.wrong)
}

// Differs says how the map differs from what a broker has; "" if it doesn't.
func (m *Map) Differs(entries []*push.Message) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.complete {
		return fmt.Sprintf("the map isn't complete: it has %d keys of %d", len(m.values), len(entries))
	}
	for _, e := range entries {
		switch v, ok := m.values[e.Key]; {
		case !ok:
			return fmt.Sprintf("%s isn't there", e.Key)
		case string(v.data) != string(e.Data) || v.encoding != e.Encoding:
			return fmt.Sprintf("%s is %.60q of version %d; the broker has %.60q", e.Key, v.data, m.newest[e.Key].version, e.Data)
		}
	}
	if len(entries) == len(m.values) {
		return ""
	}
	for key := range m.values {
		if !slices.ContainsFunc(entries, func(e *push.Message) bool { return e.Key == key }) {
			return fmt.Sprintf("%s is there, which the broker hasn't; %d keys of %d", key, len(m.values), len(entries))
		}
	}
	return ""
}

// Begin takes the answer that the topic is followed, over a new connection.
func (m *Map) Begin(a protocol.Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := a.Epoch != m.epoch
	m.epoch, m.forget = a.Epoch, false
	switch {
	case a.From == protocol.FromSnapshot:
		m.figures.Snapshots++
		m.empty()
		if changed {
			clear(m.newest)
			m.at = broker.Position{}
		}
	case a.Cursor != m.cursor:
		m.object("it is at %q and was taken to be at %q, from %q", m.cursor, a.Cursor, a.From)
	default:
		m.forget = changed
	}
}

// Take takes a frame about the topic.
func (m *Map) Take(f *protocol.Frame) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.figures.Frames++
	if m.forget && f.Type != protocol.TypeReset {
		m.object("a %s came before the reset, of another epoch", f.Type)
	}
	m.forget = false
	switch f.Type {
	case protocol.TypeReset:
		m.figures.Resets++
		m.empty()
		clear(m.newest)
		m.epoch, m.at, m.cursor = f.State.Epoch, broker.Position{}, ""
	case protocol.TypeSynced:
		if f.State.Epoch != m.epoch {
			m.object("the epoch is %s, and %s at the end of the snapshot", m.epoch, f.State.Epoch)
			m.epoch = f.State.Epoch
		}
		m.complete = true
		m.move(f.Cursor)
	case protocol.TypeState:
		for i := range f.State.Changes {
			m.change(&f.State.Changes[i])
		}
		if f.At == "" {
			return
		}
		if !m.complete || len(m.cursor) < cursor.Constant {
			m.object("the cursor %q moves by %q, and isn't known to be good", m.cursor, f.At)
			return
		}
		m.move(m.cursor[:cursor.Constant] + f.At)
	}
}

// The methods below are called with m.mu held.

func (m *Map) empty() {
	clear(m.values)
	m.complete = false
}

func (m *Map) change(c *protocol.Change) {
	before := m.newest[c.Key]
	if c.Op == broker.OpDelete {
		m.figures.Deletes++
		delete(m.values, c.Key)
		m.newest[c.Key] = seen{version: before.version, deleted: true}
		return
	}
	data := c.Data
	if c.Op == broker.OpAppend {
		m.figures.Appends++
		has := m.values[c.Key].data
		if units := broker.Units(has); c.Start > units {
			m.object("%s has %d characters, and is to go on after %d", c.Key, units, c.Start)
		}
		data = slices.Concat(has[:broker.SkipUnits(has, c.Start)], c.Data)
	} else {
		m.figures.Sets++
	}
	if c.Version < before.version || before.deleted && c.Version == before.version {
		m.object("%s goes back from version %d (deleted: %v) to %d", c.Key, before.version, before.deleted, c.Version)
	}
	if m.Judge != nil {
		if wrong := m.Judge(c.Key, before.data, data); wrong != "" {
			m.object("%s: %s", c.Key, wrong)
		}
	}
	m.values[c.Key] = value{data, c.Encoding}
	m.newest[c.Key] = seen{version: c.Version, data: data}
}

// move moves the cursor.
func (m *Map) move(to string) {
	parsed, err := cursor.Parse(to)
	at, ok := parsed.Position(m.topic)
	switch {
	case err != nil || !ok:
		m.object("the cursor %q: %v", to, err)
	case at.Epoch != m.epoch:
		m.object("the cursor is of epoch %s, the map of %s", at.Epoch, m.epoch)
	case at.Epoch == m.at.Epoch && (at.Offset < m.at.Offset || at.Offset == m.at.Offset && at.Tag != m.at.Tag):
		m.object("the cursor goes back from %d (%08x) to %d (%08x)", m.at.Offset, m.at.Tag, at.Offset, at.Tag)
	}
	m.cursor, m.at = to, at
}

func (m *Map) object(format string, args ...any) {
	if len(m.wrong) < maxWrong {
		m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
	}
}
