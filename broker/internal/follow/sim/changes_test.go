//clock:virtual

package sim

import (
	"fmt"
	"slices"
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

// maxValue is room for a large value, and not for another.
const maxValue = 8 << 10

// large is a text that no connection's buffer holds.
var large = []byte(strings.Repeat("é😀x", 700))

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

// change lets an instance change a state, beside all else. A value is large if there is one, or
// now and then.
func (w *world) change(node int, m push.Message, named bool) {
	w.mu.Lock()
	n := len(w.attempts)
	switch {
	case m.Op != broker.OpSet && m.Op != broker.OpAppend:
	case m.Encoding == push.EncodingJSON:
		m.Data = fmt.Appendf(nil, `{"change":%d}`, n)
	case n%4 == 3 || len(m.Data) > 0:
		m.Data = fmt.Appendf(nil, "%d<%s>", n, large)
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

const (
	// comparedWithin is how long it may take until a comparison of heads has found what nobody
	// is told of, and clients know.
	comparedWithin = 6 * time.Second
	// endsWithin is how long after its time a key may be there that somebody follows: a touch is
	// found by a comparison.
	endsWithin = comparedWithin
)

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

// touching is the time in which somebody has touched a key.
type touching struct {
	begun, ended time.Time // the latter is zero while it isn't known to have been done
	ttl          time.Duration
}

// noteTouch notes a call that has touched a key, or may have.
func (w *world) noteTouch(a *attempt, begun time.Time, done bool) {
	t := touching{begun: begun, ttl: a.TTL}
	if rule := w.store.rules.Of(a.Topic); a.TTL == 0 {
		t.ttl = rule.TTL
	}
	if done {
		t.ended = time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := a.Topic + " " + a.Key
	w.touched[key] = append(w.touched[key], t)
}

// lifeOf returns between when a key must be there that was changed last by e, by what was done
// until then, and when it may be, as far as can be told: the store may have been touched at any moment of a call, and later
// if that has failed. Called at the end.
func (w *world) lifeOf(e *entry, until time.Time) (atLeast, atMost time.Time) {
	forever := time.Now().Add(time.Hour)
	end := func(begun time.Time, ttl time.Duration) time.Time {
		if ttl <= 0 {
			return forever
		}
		return begun.Add(ttl)
	}
	atLeast = end(e.Time, e.TTL)
	atMost = atLeast
	var sure touching
	touched := slices.DeleteFunc(slices.Clone(w.touched[e.Topic+" "+e.Key]), func(t touching) bool { return t.begun.After(until) })
	for _, t := range touched {
		if t.begun.After(e.stored) && t.ended.Before(until) && t.ended.After(sure.ended) {
			sure = t
		}
	}
	if !sure.ended.IsZero() {
		atLeast, atMost = end(sure.begun, sure.ttl), end(sure.ended, sure.ttl)
	}
	for _, t := range touched {
		if !t.ended.IsZero() && (t.ended.Before(e.stored) || t.ended.Before(sure.begun)) {
			continue
		}
		if first := end(t.begun, t.ttl); first.Before(atLeast) {
			atLeast = first
		}
		if last := end(t.ended, t.ttl); last.After(atMost) {
			atMost = last
		}
		if t.ended.IsZero() {
			atMost = forever
		}
	}
	return atLeast, atMost
}

// livesWereKept checks that no key has ended before its time, and none is there long after it.
func (w *world) livesWereKept() {
	r := w.store
	for _, e := range r.all {
		last, _ := r.changeBefore(e.before, e.Key)
		if e.Op != broker.OpDelete || !strings.HasPrefix(e.ID, "ended-") || !slices.Contains(w.states, e.Topic) || last == nil || last.damages != e.damages {
			continue
		}
		if atLeast, _ := w.lifeOf(last, e.stored); e.Time.Before(atLeast.Truncate(time.Millisecond)) {
			w.violate("P11: %q ended at %v, which was to be there until %v", e.Key, e.Time.Sub(w.begun), atLeast.Sub(w.begun))
		}
		w.count("keys that ended", 1)
	}
	for _, topic := range w.states {
		rec := r.topics[topic]
		if rec == nil || rec.keys == nil || !rec.isWhole() {
			continue
		}
		for _, m := range rec.keys.Messages(topic, rec.head.Epoch, false, time.Time{}) {
			last, _ := r.changeBefore(rec.head, m.Key)
			if last == nil || last.damages != r.damages {
				continue
			}
			if _, atMost := w.lifeOf(last, time.Now()); time.Since(atMost) > endsWithin && w.calmSince(atMost) {
				w.violate("P11: %q is there %v after its time", m.Key, time.Since(atMost))
			}
		}
	}
}

// awaitEnds waits while keys are ending, of which clients hear soon, and while a state begins
// again by the call for the end of a key, which a comparison of heads finds.
func (w *world) awaitEnds() {
	for range 100 {
		var known time.Time // to all clients
		for _, topic := range w.states {
			if e := w.store.newest(topic, time.Now()); e != nil && e.stored.Add(w.delivery(topic)).After(known) {
				known = e.stored.Add(w.delivery(topic))
			}
			if _, began := w.store.beganAgain(topic); began.Add(comparedWithin).After(known) {
				known = began.Add(comparedWithin)
			}
		}
		if time.Until(known) <= 0 {
			return
		}
		w.wait(time.Until(known))
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
