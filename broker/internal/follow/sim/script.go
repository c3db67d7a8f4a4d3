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

// script is what one script does to a topic: all of it, or nothing, is seen by others and by
// a replica. Its methods are called with Store.mu held.
type script struct {
	store *Store
	topic string
	rule  *push.TopicRule
	rec   *record // as it is now; replaced by the first change
	dirty bool
	added []broker.Position
}

func (s *Store) begin(topic string, rec *record) *script {
	return &script{store: s, topic: topic, rule: s.rules.Of(topic), rec: rec}
}

// next returns a record that may be changed.
func (sc *script) next() *record {
	if !sc.dirty {
		rec := *sc.rec
		rec.ids = maps.Clone(rec.ids)
		if rec.keys == nil {
			rec.keys = &keymap.Map{}
		} else {
			rec.keys = rec.keys.Clone()
		}
		sc.rec, sc.dirty = &rec, true
	}
	return sc.rec
}

// commit stores what was changed, and notifies.
func (sc *script) commit() {
	if !sc.dirty {
		return
	}
	if sc.rule.State {
		sc.rec.stateHead = headOf(sc.rec.keys)
	}
	sc.store.change(sc.topic, sc.rec)
	for _, p := range sc.added {
		sc.store.notify(sc.store.channel(sc.topic), payloadOf(p))
	}
}

// now is as exact as the store's clock is.
func now() time.Time { return time.UnixMilli(time.Now().UnixMilli()) }

// repeated returns the receipt of the message that m repeats, or one that is no duplicate.
func (sc *script) repeated(m *push.Message, repeatable bool) (push.Receipt, error) {
	known, ok := sc.rec.ids[m.ID]
	switch {
	case !repeatable || !ok || !time.Now().Before(known.until),
		known.birth != sc.rec.birth || known.position.Offset > sc.rec.head.Offset:
		return push.Receipt{}, nil
	case known.content != content(m):
		return push.Receipt{}, push.CodeConflict
	}
	return push.Receipt{ID: m.ID, Position: known.position, Duplicate: true}, nil
}

// remember remembers a message by its ID.
func (sc *script) remember(m *push.Message, at broker.Position) {
	rec := sc.next()
	if rec.ids == nil {
		rec.ids = map[string]storedID{}
	}
	rec.ids[m.ID] = storedID{rec.birth, at, content(m), time.Now().Add(sc.store.options.Retry)}
}

// add gives a message the next position.
func (sc *script) add(m push.Message) broker.Position {
	rec, size := sc.next(), m.Size()
	m.Data, m.Header = slices.Clone(m.Data), maps.Clone(m.Header)
	m.TellTime = sc.rule.Time
	m.Replicated = false
	m.Position = broker.Position{Epoch: rec.head.Epoch, Offset: rec.head.Offset + 1, Tag: sc.store.random.Uint32()}
	m.PreviousTag = rec.head.Tag
	m.Time = now()
	e := &entry{Message: &m, size: size, before: rec.head, stored: time.Now(), damages: sc.store.damages}
	sc.store.keep(e)
	rec.head, rec.entries = m.Position, sc.store.trimmed(append(slices.Clip(rec.entries), e))
	sc.added = append(sc.added, m.Position)
	if m.Op != broker.OpPublish {
		rec.keys.Apply(&m)
		e.value = rec.keys.Value(m.Key)
	}
	return m.Position
}

// expire deletes keys that are due, and one that is to be changed if it is.
func (sc *script) expire(key string) {
	if sc.rec.keys == nil {
		return
	}
	for _, key := range sc.rec.keys.Clone().Due(now(), key) {
		sc.add(push.Message{ID: fmt.Sprintf("ended-%x", sc.store.random.Uint64()), Topic: sc.topic, Op: broker.OpDelete, Key: key})
	}
}

// change makes a change of a state.
func (sc *script) change(m push.Message) (push.Receipt, error) {
	keys := sc.rec.keys
	if keys == nil {
		keys = &keymap.Map{}
	}
	logged, start, err := keys.Decide(&m, sc.rule, sc.rec.head.Epoch)
	if err != nil {
		return push.Receipt{}, err
	}
	m.TTL, m.Start = keymap.TTL(&m, sc.rule), start
	m.IfVersion, m.IfAbsent = broker.Version{}, false
	switch {
	case logged:
		return push.Receipt{ID: m.ID, Position: sc.add(m)}, nil
	case m.Op == broker.OpTouch:
		m.Time = now()
		sc.next().keys.Apply(&m)
	}
	return push.Receipt{ID: m.ID, Position: sc.rec.head, Duplicate: m.Op == broker.OpDelete}, nil
}

// readState is what map.lua does.
func (s *Store) readState(topic string, mark follow.HighWater, origin follow.Origin) (push.Page, error) {
	rec, err := s.current(topic, mark, origin)
	if err != nil || rec.keys == nil {
		return push.Page{Head: rec.at()}, err
	}
	messages := rec.keys.Messages(topic, rec.head.Epoch, s.rules.Of(topic).Time, now())
	s.hide(topic, rec)
	return push.Page{Head: rec.head, Messages: messages}, nil
}

// at is the head of a record, if there is one.
func (rec *record) at() broker.Position {
	if rec == nil {
		return broker.Position{}
	}
	return rec.head
}

// expire is what expire.lua does.
func (s *Store) expire(topic string, mark follow.HighWater, origin follow.Origin) (follow.Expiry, error) {
	rec, err := s.current(topic, mark, origin)
	if err != nil {
		return follow.Expiry{}, err
	}
	sc := s.begin(topic, rec)
	sc.expire("")
	sc.commit()
	e := follow.Expiry{Head: follow.Head{Position: sc.rec.head, Due: sc.rec.due}}
	if e.Due != 0 {
		e.In = max(0, time.UnixMilli(e.Due).Sub(now()))
	}
	return e, nil
}

// renew is what renew.lua does.
func (s *Store) renew(topic string, keys []string, ttl time.Duration, mark follow.HighWater, origin follow.Origin) (r follow.Renewal, err error) {
	rec, err := s.current(topic, mark, origin)
	if err != nil {
		return r, err
	}
	sc := s.begin(topic, rec)
	sc.expire("")
	for _, key := range keys {
		touch := push.Message{Topic: topic, Key: key, Op: broker.OpTouch, TTL: max(ttl, time.Millisecond)}
		if sc.rec.keys == nil || sc.rec.keys.IsDue(key, now()) {
			r.Gone = append(r.Gone, key)
		} else if _, err := sc.change(touch); err != nil {
			r.Gone = append(r.Gone, key)
		}
	}
	sc.commit()
	r.Position = sc.rec.head
	return r, nil
}
