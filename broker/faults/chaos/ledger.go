package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// ledger is what is known of all messages: what publishers were told, and what all clients together have got. It is
// the history that each client's view is judged by.
type ledger struct {
	found        *violations
	stateChanges atomic.Int64 // of states that were made

	mu           sync.Mutex // guards the rest
	topics       map[string]history
	publications map[payload]*publication
	causes       []cause
}

// history is all that was ever heard of in one topic, in all its epochs and on all branches of a fork.
type history map[broker.Position]*entry

// entry is one message in its place.
type entry struct {
	payload      payload
	previous     uint32 // the tag of the message before, once a client has come from there
	linked       bool   // previous is known
	acknowledged bool   // its publisher was told this place
	heard        int    // by how many clients
}

// publication is one message as its publisher sees it.
type publication struct {
	topic   string
	named   bool // it has an ID, so that it may be published again
	retried bool
	begun   time.Time // when it was to be published first
	outcome outcome
	places  []broker.Position // where it was stored
}

type outcome uint8

const (
	unknown outcome = iota // no answer: it may be stored
	stored
	refused
)

// cause is something that makes gaps rightful.
type cause struct {
	what effect
	at   time.Time
}

// effect is what a cause does.
type effect uint8

const (
	ends   effect = iota // histories may end
	cuts                 // the same, or they are cut short: messages of a living epoch are gone
	splits               // for a while there are two primaries, and two histories
)

// causeLasts is how long its effect may be felt by who wasn't away.
const causeLasts = 30 * time.Second

func newLedger(found *violations, topics []string) *ledger {
	l := &ledger{found: found, topics: map[string]history{}, publications: map[payload]*publication{}}
	for _, topic := range topics {
		l.topics[topic] = history{}
	}
	return l
}

// publish notes that a message is about to be published, for the first time or again.
func (l *ledger) publish(p payload, topic string, named bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.publications[p]; known != nil {
		known.retried = true
		return
	}
	l.publications[p] = &publication{topic: topic, named: named, begun: time.Now()}
}

// begun tells when a message was to be published first; zero if nobody has published it.
func (l *ledger) begun(p payload) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.publications[p]; known != nil {
		return known.begun
	}
	return time.Time{}
}

// acknowledged notes the place that a publisher was told.
func (l *ledger) acknowledged(p payload, at broker.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	published := l.publications[p]
	published.outcome = stored
	if e := l.place(published.topic, at, p); e != nil {
		e.acknowledged = true
	}
}

// refused notes that a publisher was told that the message isn't stored.
func (l *ledger) refused(p payload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	published := l.publications[p]
	published.outcome = refused
	if len(published.places) > 0 {
		l.found.add(broken, noClient, published.topic, "%v was refused and is stored at %v", p, published.places)
	}
}

// delivered notes that a client which was at a place got the message after it.
func (l *ledger) delivered(client int, topic string, from, at broker.Position, p payload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.place(topic, at, p)
	if e == nil {
		return
	}
	e.heard++
	if from.Epoch != at.Epoch || from.Offset+1 != at.Offset {
		return // the view has said so
	}
	if e.linked && e.previous != from.Tag {
		l.found.add(lost, client, topic, "%v at %s came after tag %08x, and elsewhere after %08x: a fork that wasn't told",
			p, format(at), from.Tag, e.previous)
	}
	e.previous, e.linked = from.Tag, true
}

// place gives the entry of a message, which is made if it is new. Called with l.mu held.
func (l *ledger) place(topic string, at broker.Position, p payload) *entry {
	messages := l.topics[topic]
	if e := messages[at]; e != nil {
		if e.payload != p {
			l.found.add(broken, noClient, topic, "%s is %v, and elsewhere %v", format(at), p, e.payload)
		}
		return e
	}
	published := l.publications[p]
	switch {
	case published == nil || published.topic != topic:
		l.found.add(broken, noClient, topic, "%v at %s was not published here", p, format(at))
		return nil
	case published.outcome == refused:
		l.found.add(broken, noClient, topic, "%v at %s was refused", p, format(at))
	}
	published.places = append(published.places, at)
	e := &entry{payload: p}
	messages[at] = e
	return e
}

// excuse notes that there is a cause for gaps.
func (l *ledger) excuse(what effect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.causes = append(l.causes, cause{what, time.Now()})
}

// excuses are how many causes there are for a gap.
type excuses struct{ ever, cuts, lately, splitsLately int }

func (l *ledger) excuses() excuses {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := excuses{ever: len(l.causes)}
	for _, c := range l.causes {
		lately := time.Since(c.at) < causeLasts
		if c.what == cuts {
			e.cuts++
		}
		if lately {
			e.lately++
		}
		if lately && c.what == splits {
			e.splitsLately++
		}
	}
	return e
}

// tagBefore goes back along the chain from a place to an earlier offset, and gives the tag there. It reports false if
// nobody has gone that way.
func (l *ledger) tagBefore(topic string, at broker.Position, offset uint64) (uint32, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := l.topics[topic]
	for at.Offset > offset {
		e := messages[at]
		if e == nil || !e.linked {
			return 0, false
		}
		at = broker.Position{Epoch: at.Epoch, Offset: at.Offset - 1, Tag: e.previous}
	}
	return at.Tag, at.Offset == offset
}

// readBack compares a message that is stored at the end.
func (l *ledger) readBack(m *push.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := parsePayload(string(m.Data))
	if err != nil {
		l.found.add(broken, noClient, m.Topic, "the stored data %.40q: %v", m.Data, err)
		return
	}
	if e := l.place(m.Topic, m.Position, p); e != nil && e.linked && e.previous != m.PreviousTag {
		l.found.add(lost, noClient, m.Topic, "%v at %s is stored after tag %08x, and clients came to it from %08x",
			p, format(m.Position), m.PreviousTag, e.previous)
	}
}
