package redisbroker_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// fakeRedis is a Redis in memory, below the broker's narrow port, that all
// instances of a simulated system share. Its methods are what the scripts do, and
// what can befall the data: TestFakeIsLikeRedis compares it with a real one.
type fakeRedis struct {
	options redisbroker.Options
	random  *rand.Rand // for epochs and tags

	mu sync.Mutex // guards the rest
	state
	saved   *state                   // what a restart from an old copy brings back; nil if none was made
	past    []state                  // what a lagging replica may still have, oldest first
	all     map[push.Position]*entry // all that was ever stored
	begun   map[push.Position]bool   // the places before the first message
	flushed map[push.Position]bool   // what was lost with all that there was
	primary int                      // how many there have been before
	damages int                      // how often it has lost something that it had stored
	lines   map[*fakeLine]bool
	faults  faults
}

// state is all that may come back.
type state struct {
	topics  map[string]*record
	genesis string // "" if there is none
	sets    map[string]map[string]storedValue
}

func emptyState() state {
	return state{topics: map[string]*record{}, sets: map[string]map[string]storedValue{}}
}

// copy gives the state as it is now, which no change touches.
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
	head    push.Position // zero if it was evicted
	birth   uint64        // unlike that of any other history
	entries []*entry      // oldest first
	ids     map[string]storedID
}

// canTell reports whether it shows that a position isn't in this history, if it isn't:
// what was trimmed may have been there.
func (rec *record) canTell(p push.Position) bool {
	return rec == nil || p.Epoch != rec.head.Epoch || p.Offset > rec.head.Offset ||
		slices.ContainsFunc(rec.entries, func(e *entry) bool { return e.Offset == p.Offset })
}

// entry is one stored message.
type entry struct {
	*push.Message
	size   int
	before push.Position
	stored time.Time
}

type storedID struct {
	birth    uint64
	position push.Position
	content  string
	until    time.Time
}

// maxPast is how far behind a replica may be, in changes.
const maxPast = 32

func newFakeRedis(seed uint64, o redisbroker.Options) *fakeRedis {
	o.History = o.History.WithDefaults()
	if o.Retry == 0 {
		o.Retry = 5 * time.Minute
	}
	return &fakeRedis{
		options: o,
		random:  rand.New(rand.NewPCG(seed, 1)),
		state:   emptyState(),
		all:     map[push.Position]*entry{},
		begun:   map[push.Position]bool{},
		flushed: map[push.Position]bool{},
		lines:   map[*fakeLine]bool{},
		faults:  faults{seed: seed},
	}
}

// The methods below are called with r.mu held.

// add is publish.lua.
func (r *fakeRedis) add(m *push.Message, repeatable bool, w redisbroker.SimWitness, o redisbroker.SimOrigin) (push.Receipt, error) {
	rec, err := r.current(m.Topic, w, o)
	if err != nil {
		return push.Receipt{}, err
	}
	content := ""
	if repeatable {
		content = redisbroker.SimContent(m)
		known, ok := rec.ids[m.ID]
		ok = ok && time.Now().Before(known.until)
		if ok && known.birth == rec.birth && known.position.Offset <= rec.head.Offset {
			if known.content != content {
				return push.Receipt{}, push.ErrConflict
			}
			return push.Receipt{ID: m.ID, Position: known.position, Duplicate: true}, nil
		}
	}
	stored := *m
	stored.Data = slices.Clone(m.Data)
	stored.Replicated = false
	stored.Position = push.Position{Epoch: rec.head.Epoch, Offset: rec.head.Offset + 1, Tag: r.random.Uint32()}
	stored.PreviousTag = rec.head.Tag
	stored.Time = time.UnixMilli(time.Now().UnixMilli())
	e := &entry{Message: &stored, size: m.Size(), before: rec.head, stored: time.Now()}
	r.all[stored.Position] = e
	next := &record{stored.Position, rec.birth, r.trimmed(append(slices.Clip(rec.entries), e)), rec.ids}
	if repeatable {
		next.ids = maps.Clone(rec.ids)
		if next.ids == nil {
			next.ids = map[string]storedID{}
		}
		next.ids[m.ID] = storedID{rec.birth, stored.Position, content, time.Now().Add(r.options.Retry)}
	}
	r.change(m.Topic, next)
	r.send(redisbroker.SimChannel(r.options, m.Topic), redisbroker.SimPublished(&stored))
	return push.Receipt{ID: m.ID, Position: stored.Position}, nil
}

// trimmed drops the oldest entries that are over a bound; never the last.
func (r *fakeRedis) trimmed(entries []*entry) []*entry {
	total := 0
	for _, e := range entries {
		total += e.size
	}
	h := r.options.History
	for len(entries) > 1 {
		if len(entries) <= h.Messages && total <= h.Bytes && r.kept(entries[0]) {
			break
		}
		total -= entries[0].size
		entries = entries[1:]
	}
	return entries
}

// kept reports whether an entry is young enough to be read.
func (r *fakeRedis) kept(e *entry) bool {
	return e.Time.After(time.UnixMilli(time.Now().UnixMilli()).Add(-r.options.History.Age))
}

// read is read.lua.
func (r *fakeRedis) read(topic string, q redisbroker.SimQuery, w redisbroker.SimWitness, o redisbroker.SimOrigin) (push.Page, error) {
	rec, err := r.current(topic, w, o)
	if err != nil {
		return push.Page{}, err
	}
	page := push.Page{Head: rec.head}
	if q.Newest {
		for _, e := range rec.entries[max(0, len(rec.entries)-q.Limit.Messages):] {
			if r.kept(e) {
				page.Messages = append(page.Messages, e.Message)
			}
		}
		return page, nil
	}
	page.Gap = r.gapAfter(rec, q.After)
	if page.Gap != "" || q.After == rec.head {
		return page, nil
	}
	size := 0
	for _, e := range rec.entries {
		if e.Offset <= q.After.Offset {
			continue
		}
		n := len(page.Messages)
		if n > 0 && over(n+1, q.Limit.Messages) {
			break
		}
		size += e.size
		if tooLarge := over(size, q.Limit.Bytes); tooLarge && n < q.Limit.Least {
			page.Messages = nil
			break
		} else if tooLarge && n > 0 {
			break
		}
		page.Messages = append(page.Messages, e.Message)
	}
	return page, nil
}

// gapAfter tells why what follows a position isn't known.
func (r *fakeRedis) gapAfter(rec *record, after push.Position) push.GapReason {
	head := rec.head
	switch {
	case after.Epoch != head.Epoch:
		return push.GapEpoch
	case after.Offset > head.Offset:
		return push.GapFork
	case after.Offset == head.Offset && after.Tag != head.Tag:
		return push.GapFork
	case after.Offset == head.Offset:
		return ""
	}
	own, following := rec.entryAt(after.Offset), rec.entryAt(after.Offset+1)
	switch {
	case own != nil && r.kept(own) && own.Tag != after.Tag:
		return push.GapFork
	case following == nil, (own == nil || !r.kept(own)) && !r.kept(following):
		return push.GapTrimmed
	case following.PreviousTag != after.Tag:
		return push.GapFork
	default:
		return ""
	}
}

func (rec *record) entryAt(offset uint64) *entry {
	for _, e := range rec.entries {
		if e.Offset == offset {
			return e
		}
	}
	return nil
}

func over(n, limit int) bool { return limit > 0 && n > limit }

// heads tells where topics are.
func (r *fakeRedis) heads(topics []string) []push.Position {
	heads := make([]push.Position, len(topics))
	for i, topic := range topics {
		if rec := r.topics[topic]; rec != nil {
			heads[i] = rec.head
		}
	}
	return heads
}

// begin is genesis.lua.
func (r *fakeRedis) begin() string {
	if r.genesis == "" {
		r.remember()
		r.genesis = fmt.Sprint(r.random.Uint64())
	}
	return r.genesis
}

// current gives a topic, which begins if it isn't there or isn't what a witness saw. Where
// nothing is known to be lost, it begins with its first message.
func (r *fakeRedis) current(topic string, w redisbroker.SimWitness, o redisbroker.SimOrigin) (*record, error) {
	rec := r.topics[topic]
	if rec == nil {
		rec = &record{}
	}
	next := &record{birth: r.random.Uint64(), ids: rec.ids}
	switch {
	case rec.head.IsZero() && o.Epoch != 0 && !r.left(rec):
		if o.Genesis != r.genesis {
			return nil, redisbroker.ErrSimStale
		}
		next.head.Epoch = o.Epoch
	case rec.head.IsZero() || rec.contradicts(w):
		next.head.Epoch = push.Epoch(max(r.random.Uint64(), 1))
		r.change(topic, next)
	default:
		return rec, nil
	}
	r.begun[next.head] = true
	return next, nil
}

// left reports whether a history is there, as the key that holds it is.
func (r *fakeRedis) left(rec *record) bool {
	n := len(rec.entries)
	return n > 0 && r.kept(rec.entries[n-1])
}

// contradicts reports whether the record isn't what a witness saw.
func (rec *record) contradicts(w redisbroker.SimWitness) bool {
	switch {
	case w.IsZero():
		return false
	case w.Left == rec.head.Epoch:
		return true
	case w.Epoch != rec.head.Epoch:
		return false
	case w.Offset >= rec.head.Offset:
		return w.Position != rec.head
	}
	for _, e := range rec.entries {
		if e.Offset == w.Offset {
			return e.Tag != w.Tag
		}
	}
	return false // it is no longer kept, and nobody can tell
}

// change replaces a topic's record.
func (r *fakeRedis) change(topic string, next *record) {
	r.remember()
	r.topics[topic] = next
}

// remember keeps what is to be changed for a replica that lags.
func (r *fakeRedis) remember() {
	r.past = append(r.past, r.copy())
	if len(r.past) > maxPast {
		r.past = r.past[1:]
	}
}

// The methods below are what can befall the data; they lock r.mu themselves.

// promote puts a replica in place that lacks the last changes, as far as it lacks
// any. Calls under way fail. All lines end; or they stay, to the old primary, where
// nothing is sent.
func (r *fakeRedis) promote(lag int, deaf bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.primary++
	if lag = min(lag, len(r.past)); lag > 0 {
		at := len(r.past) - lag
		r.goBack(r.past[at])
		r.past = r.past[:at]
	}
	for line := range r.lines {
		if deaf {
			line.deaf = true
		} else {
			line.breakOff()
		}
	}
}

// goBack puts an older state in place. Called with r.mu held.
func (r *fakeRedis) goBack(to state) {
	r.state = to
	r.damages++
	clear(r.flushed) // it may be back, or be lost in another way
}

// save makes a copy of all there is, as SAVE does.
func (r *fakeRedis) save() {
	r.mu.Lock()
	defer r.mu.Unlock()
	saved := r.copy()
	r.saved = &saved
}

// restore is a restart from the copy, which all replicas then have. It reports false if
// there is none. The copy stays, and may come back again.
func (r *fakeRedis) restore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.saved == nil {
		return false
	}
	r.primary++
	r.goBack(r.saved.copy())
	r.past = nil
	for line := range r.lines {
		line.breakOff()
	}
	return true
}

// confirm makes the replica have all there is.
func (r *fakeRedis) confirm() { r.past = nil }

// flush forgets everything, as a restart without data does.
func (r *fakeRedis) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.topics {
		for e := r.all[rec.head]; e != nil; e = r.all[e.before] {
			r.flushed[e.Position] = true
		}
	}
	r.remember()
	r.state = emptyState()
	r.damages++
}

// evict forgets a topic's head, or its history, or what isn't among the newest
// messages of it.
func (r *fakeRedis) evict(topic string, head bool, keep int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.topics[topic]
	if rec == nil {
		return
	}
	next := *rec
	if head {
		next.head = push.Position{}
	} else {
		next.entries = next.entries[max(0, len(next.entries)-keep):]
	}
	r.change(topic, &next)
	r.damages++
}
