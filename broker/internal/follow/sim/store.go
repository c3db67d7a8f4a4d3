// Package sim has a store in memory for tests: it does what Redis and the scripts of package
// redisbroker do, and it can have every fault that they can have. Its tests are the
// simulation: whole systems of instances, clients and this store, on virtual time; see
// docs/internals/simulation.md.
//
// Package redisbroker compares the store with a real Redis.
package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/broker/internal/keymap"
	"github.com/tidewire/tidewire/push"
)

// Options bounds what a store keeps. Zero fields are as those of package redisbroker.
type Options struct {
	Prefix  string // of channels
	History broker.History
	Topics  []push.TopicRule
	Retry   time.Duration
}

// Store is what all instances of a simulated system share. Each has a [Port] to it.
type Store struct {
	options Options
	rules   *broker.TopicRules
	random  *rand.Rand // for epochs and tags

	mu sync.Mutex // guards the rest
	state
	saved       *state                          // what a restart from an old copy brings back; nil if none was made
	past        []state                         // what a lagging replica may still have, oldest first
	all         map[broker.Position]*entry      // everything that was ever stored
	begun       map[broker.Position]*keymap.Map // the positions before the first message; of a state with the keys that it had then
	branches    map[broker.Position][]*entry    // of all, those at an epoch and offset
	hidden      map[string][]broker.Version     // by topic and key, what a read has left out because it was due
	flushed     map[broker.Position]bool        // what was lost together with everything else
	primary     int                             // how many there have been before
	damages     int                             // how often it has lost something that it had stored
	subscribers map[*Subscriber]bool
	faults      faults
}

// maxPast is how far behind a replica may be, in changes.
const maxPast = 32

// NewStore makes an empty store. The seed is for epochs, tags and delays.
func NewStore(seed uint64, o Options) *Store {
	if o.Prefix == "" {
		o.Prefix = "tidewire:"
	}
	if o.Retry == 0 {
		o.Retry = 5 * time.Minute
	}
	return &Store{
		options:     o,
		rules:       broker.NewTopicRules(o.History, o.Topics),
		random:      rand.New(rand.NewPCG(seed, 1)),
		state:       emptyState(),
		all:         map[broker.Position]*entry{},
		begun:       map[broker.Position]*keymap.Map{},
		branches:    map[broker.Position][]*entry{},
		hidden:      map[string][]broker.Version{},
		flushed:     map[broker.Position]bool{},
		subscribers: map[*Subscriber]bool{},
		faults:      faults{seed: seed},
	}
}

// Port returns an instance's way to the store. The name goes into its delays.
func (s *Store) Port(name string) *Port {
	return &Port{
		store: s, name: name, dead: make(chan struct{}),
		calls: map[string]int{}, seen: map[string][]broker.Position{},
	}
}

// Cost counts what is stored, and what is subscribed to.
func (s *Store) Cost() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	cost := map[string]int{"keys": len(s.topics), "channels": 0}
	for subscriber := range s.subscribers {
		cost["channels"] += len(subscriber.channels)
	}
	return cost
}

// The methods below are called with s.mu held.

// add is what publish.lua does, and state.lua.
func (s *Store) add(m *push.Message, repeatable bool, mark follow.HighWater, origin follow.Origin) (push.Receipt, error) {
	rec, err := s.current(m.Topic, mark, origin)
	if err != nil {
		return push.Receipt{}, err
	}
	sc := s.begin(m.Topic, rec)
	defer sc.commit()
	if m.Op != broker.OpPublish {
		sc.expire(m.Key)
	}
	if first, err := sc.repeated(m, repeatable); err != nil || first.Duplicate {
		return first, err
	}
	receipt := push.Receipt{ID: m.ID}
	if m.Op == broker.OpPublish {
		receipt.Position = sc.add(*m)
	} else if receipt, err = sc.change(*m); err != nil {
		return push.Receipt{}, err
	}
	if repeatable {
		sc.remember(m, receipt.Position)
	}
	return receipt, nil
}

// trimmed drops the oldest entries that are over a bound; never the last.
func (s *Store) trimmed(entries []*entry) []*entry {
	total := 0
	for _, e := range entries {
		total += e.size
	}
	h := s.rules.Of(entries[0].Topic).History
	for len(entries) > 1 {
		if len(entries) <= h.Messages && total <= h.Bytes && s.kept(entries[0]) {
			break
		}
		total -= entries[0].size
		entries = entries[1:]
	}
	return entries
}

// kept reports whether an entry is young enough to be read.
func (s *Store) kept(e *entry) bool {
	return e.Time.After(time.UnixMilli(time.Now().UnixMilli()).Add(-s.rules.Of(e.Topic).History.Age))
}

// read is what read.lua does.
func (s *Store) read(topic string, q follow.Query, mark follow.HighWater, origin follow.Origin) (push.Page, error) {
	rec, err := s.current(topic, mark, origin)
	if err != nil {
		return push.Page{}, err
	}
	page := push.Page{Head: rec.head}
	if q.Newest {
		size := 0
		for _, e := range slices.Backward(rec.entries) {
			size += e.size
			if len(page.Messages) == q.Limit.Messages || over(size, q.Limit.Bytes) || !s.kept(e) {
				break
			}
			page.Messages = append(page.Messages, e.Message)
		}
		slices.Reverse(page.Messages)
		return page, nil
	}
	page.Gap = s.gapAfter(rec, q.After)
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

// gapAfter returns why what follows a position isn't known; "" if it is.
func (s *Store) gapAfter(rec *record, after broker.Position) broker.GapReason {
	head := rec.head
	switch {
	case after.Epoch != head.Epoch:
		return broker.GapEpoch
	case after.Offset > head.Offset:
		return broker.GapFork
	case after.Offset == head.Offset && after.Tag != head.Tag:
		return broker.GapFork
	case after.Offset == head.Offset:
		return ""
	}
	own, following := rec.entryAt(after.Offset), rec.entryAt(after.Offset+1)
	switch {
	case own != nil && s.kept(own) && own.Tag != after.Tag:
		return broker.GapFork
	case following == nil, (own == nil || !s.kept(own)) && !s.kept(following):
		return broker.GapTrimmed
	case following.PreviousTag != after.Tag:
		return broker.GapFork
	default:
		return ""
	}
}

func over(n, limit int) bool { return limit > 0 && n > limit }

// heads returns where topics are.
func (s *Store) heads(topics []string) []follow.Head {
	heads := make([]follow.Head, len(topics))
	for i, topic := range topics {
		if rec := s.topics[topic]; rec != nil && !rec.head.IsZero() {
			heads[i] = follow.Head{Position: rec.head, Due: rec.due}
		}
	}
	return heads
}

// loadGenesis is what genesis.lua does.
func (s *Store) loadGenesis() string {
	if s.genesis == "" {
		s.remember()
		s.genesis = fmt.Sprint(s.random.Uint64())
	}
	return s.genesis
}

// current returns a topic, which begins if it isn't stored or contradicts the high-water
// mark. Where nothing is known to be lost, it is stored with its first message. A state that
// begins again keeps its keys, if they are what its head says.
func (s *Store) current(topic string, mark follow.HighWater, origin follow.Origin) (*record, error) {
	rec := s.topics[topic]
	if rec == nil {
		rec = &record{}
	}
	isState := s.rules.Of(topic).State
	next := &record{birth: s.random.Uint64(), ids: rec.ids, stateHead: stateHead{isState: isState}}
	switch {
	case rec.head.IsZero() && origin.Epoch != 0 && !s.hasHistory(rec):
		if origin.Genesis != s.genesis {
			return nil, follow.ErrStale
		}
		next.head.Epoch = origin.Epoch
	case !rec.head.IsZero() && rec.isState != isState:
		return nil, follow.WrongKind(rec.isState)
	case rec.head.IsZero() || rec.contradicts(mark) || !rec.isWhole():
		next.head.Epoch = broker.Epoch(max(s.random.Uint64(), 1))
		next.begun = time.Now()
		if !rec.head.IsZero() && rec.isWhole() {
			next.stateHead, next.keys = rec.stateHead, rec.keys
		}
		s.change(topic, next)
	default:
		return rec, nil
	}
	s.begun[next.head] = next.keys
	return next, nil
}

// hasHistory reports whether messages are stored, as the key that holds them is.
func (s *Store) hasHistory(rec *record) bool {
	n := len(rec.entries)
	return n > 0 && s.kept(rec.entries[n-1])
}

// change replaces a topic's record.
func (s *Store) change(topic string, next *record) {
	s.remember()
	s.topics[topic] = next
}

// remember keeps what is to be changed for a replica that lags.
func (s *Store) remember() {
	s.past = append(s.past, s.copy())
	if len(s.past) > maxPast {
		s.past = s.past[1:]
	}
}
