//clock:virtual

package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// failing says what an attempt was at.
var failing = map[broker.Op]string{
	broker.OpPublish: "publishing", broker.OpSet: "setting", broker.OpAppend: "appending", broker.OpDelete: "deleting", broker.OpTouch: "touching",
}

const stateKeys = 5

// lives are how long keys stay: as the rule says, for ever, or this long.
var lives = []time.Duration{0, 0, 0, -1, 300 * time.Millisecond, 2 * time.Second, 7 * time.Second, 30 * time.Second}

// drawnChange is what a step's numbers say: C is how, B how long and on which condition, A
// which key.
func (w *world) drawnChange(topic string, s step) push.Message {
	m := push.Message{Topic: topic, Key: fmt.Sprint("key", s.A/2%stateKeys), TTL: lives[s.B/2%len(lives)]}
	switch s.C % 9 {
	case 0, 1, 2:
		m.Op = broker.OpSet
	case 3, 4, 5:
		m.Op = broker.OpAppend
	case 6:
		m.Op = broker.OpDelete
		m.TTL = 0
	case 7:
		m.Op = broker.OpTouch
	default:
		m.Op, m.Encoding = broker.OpSet, push.EncodingJSON
	}
	switch s.C / 9 % 4 {
	case 1:
		m.IfVersion = w.store.version(topic, m.Key)
	case 2:
		if m.IfAbsent = m.Op == broker.OpSet || m.Op == broker.OpAppend; m.IfAbsent {
			m.Key = fmt.Sprint("key", s.A/2%stateKeys)
		}
	}
	return m
}

// version is what a key has; zero if it isn't there.
func (s *Store) version(topic, key string) broker.Version {
	values, _ := s.mapOf(topic)
	v, there := values[key]
	if !there {
		return broker.Version{}
	}
	return broker.Version{Epoch: s.position(topic).Epoch, Offset: v.version}
}

// change lets an instance change a state, beside all else.
func (w *world) change(node int, m push.Message, named bool) {
	w.mu.Lock()
	n := len(w.attempts)
	switch {
	case m.Op != broker.OpSet && m.Op != broker.OpAppend:
	case m.Encoding == push.EncodingJSON:
		m.Data = fmt.Appendf(nil, `{"change":%d}`, n)
	case n%4 == 3: // more than one buffer holds
		m.Data = fmt.Appendf(nil, "%d<%s>", n, strings.Repeat("é😀x", 200))
	default:
		m.Data = fmt.Appendf(nil, "%d😀", n)
	}
	a := &attempt{Message: m, named: named}
	if named {
		a.ID = fmt.Sprintf("id-%d", n)
	}
	w.attempts = append(w.attempts, a)
	w.mu.Unlock()
	w.try(w.instance(node), a)
}

// contend has instances change a key at once, each on the condition that it is as it was.
func (w *world) contend(topic string, s step) {
	m := push.Message{Topic: topic, Key: fmt.Sprint("key", s.A/2%stateKeys), Op: broker.OpSet}
	m.IfVersion = w.store.version(topic, m.Key)
	m.IfAbsent = m.IfVersion == broker.Version{}
	for i := range 2 + s.B%2 {
		w.change(s.C+i, m, s.C%3 == 1)
	}
}

// conditionHeld checks that a change was made to a key that was as the change asked for.
func (w *world) conditionHeld(a *attempt, e *entry) {
	if !a.IfAbsent && a.IfVersion == (broker.Version{}) {
		return
	}
	r := w.store
	r.mu.Lock()
	defer r.mu.Unlock()
	last, kept := r.changeBefore(e.before, e.Key)
	var had broker.Version
	switch {
	case last != nil && last.Op != broker.OpDelete:
		had = broker.Version{Epoch: last.Epoch, Offset: last.Offset}
	case kept:
		had = broker.Version{Epoch: e.Epoch}
	}
	if had != a.IfVersion {
		w.violate("P11: %v %q of %q at %v was for %v, and the key was at %v", a.Op, a.Data, a.Key, e.Position, a.IfVersion, had)
	}
	w.count("conditions that held", 1)
}

// endsWithin is how long after its time a key may be there that somebody follows: the last
// that wasn't heard of is found by a comparison.
const endsWithin = 6 * time.Second

// endInTime looks for keys that should have been deleted by now.
func (w *world) endInTime() {
	for _, topic := range w.states {
		w.store.mu.Lock()
		rec := w.store.topics[topic]
		w.store.mu.Unlock()
		if rec == nil || rec.due == 0 || rec.head.IsZero() {
			continue
		}
		due := time.UnixMilli(rec.due)
		if late := time.Since(due) - endsWithin; late > 0 && w.calmSince(due) && w.followedSince(topic, due) {
			w.violate("P11: a key of %s is there %v after it should have ended", topic, late+endsWithin)
		}
	}
}

// awaitEnds waits while keys are ending, of which clients hear soon.
func (w *world) awaitEnds() {
	for _, topic := range w.states {
		for range 100 {
			before := w.store.newest(topic, time.Now().Add(-w.delivery(topic)))
			if before == w.store.newest(topic, time.Now()) {
				break
			}
			w.wait(w.delivery(topic))
		}
	}
}

// followedSince reports whether a client has followed a topic since then.
func (w *world) followedSince(topic string, then time.Time) bool {
	for _, c := range w.clients {
		c.mu.Lock()
		v := c.states[topic]
		follows := v != nil && v.stage == following && v.since.Before(then) && !c.stalled
		c.mu.Unlock()
		if follows {
			return true
		}
	}
	return false
}
