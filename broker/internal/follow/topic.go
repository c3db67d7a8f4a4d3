package follow

import (
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// topic is one topic that somebody on this instance follows.
//
// Its position moves only forward along the chain. A message that doesn't continue the
// chain makes the topic read what is missing from history, one read at a time however many
// messages, checks and reconnects ask for it (repair.go).
type topic struct {
	// static
	broker  *Broker
	name    string
	channel string
	isState bool
	opened  chan struct{} // closed when the position is known

	// guarded by broker.mu
	followers int
	node      *node // where it is heard

	mu           sync.Mutex // guards the rest; held while receivers are called
	position     broker.Position
	receivers    []push.Receiver
	repairing    bool            // a goroutine runs repairs
	again        bool            // and must read once more
	buffered     []*push.Message // live messages that came while what is before them is read
	bufferedSize int             // by Message.Size
	heard        bool            // a live message came since the last check
	found        broker.Position // the last message, which a check has found and nobody has heard
	attempt      *opening        // at the position; nil if nobody waits for it
	read         time.Time
	expiry       expiry
}

func newTopic(b *Broker, name string) *topic {
	return &topic{
		broker: b, name: name, channel: b.store.Channel(name), isState: b.options.Rules.Of(name).State,
		opened: make(chan struct{}),
	}
}

// opening is one attempt to find the position, for everybody who waits for it.
type opening struct {
	refused chan struct{} // closed when err says that waiting doesn't help
	err     error
}

// opening returns the attempt that is under way.
func (t *topic) opening() *opening {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attempt == nil {
		t.attempt = &opening{refused: make(chan struct{})}
	}
	return t.attempt
}

// refuse ends the attempt to find the position if the error is one that lasts. The next
// caller begins another.
func (t *topic) refuse(err error) {
	if !lasting(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attempt != nil && t.position.IsZero() {
		t.attempt.err = err
		close(t.attempt.refused)
		t.attempt = nil
	}
}

// isOpen reports whether the topic's position is known.
func (t *topic) isOpen() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.position.IsZero()
}

// add makes r get what follows the position, which it returns.
func (t *topic) add(r push.Receiver) broker.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.receivers = append(t.receivers, r)
	return t.position
}

// remove reports whether r was there.
func (t *topic) remove(r push.Receiver) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.receivers, r)
	if i < 0 {
		return false
	}
	t.receivers = slices.Delete(t.receivers, i, i+1)
	return true
}

// receive takes a live message.
func (t *topic) receive(m *push.Message) {
	t.mu.Lock()
	if m.Position == t.found {
		t.found = broker.Position{}
	}
	next := t.continues(m)
	old := m.Epoch == t.position.Epoch && m.Offset < t.position.Offset || m.Position == t.position
	if next && !t.position.IsZero() {
		t.heard = true
		t.deliver(m)
	} else if !old {
		t.buffer(m)
	}
	t.mu.Unlock()
	if next {
		t.broker.marks.note(t.name, m.Position, m.Position)
	} else if !old {
		t.repair()
	}
}

// buffer keeps a live message until what is missing before it has been read; without it a
// topic where messages never stop would be read again and again. Called with t.mu held.
func (t *topic) buffer(m *push.Message) {
	if len(t.buffered) == pageLimit.Messages || t.bufferedSize+m.Size() > pageLimit.Bytes {
		t.buffered, t.bufferedSize = nil, 0 // they will be read
	}
	t.buffered, t.bufferedSize = append(t.buffered, m), t.bufferedSize+m.Size()
}

// highestBuffered is the last position in the buffer; zero if that is empty. Called with
// t.mu held.
func (t *topic) highestBuffered() (highest broker.Position) {
	for _, m := range t.buffered {
		if m.Epoch != highest.Epoch || m.Offset > highest.Offset {
			highest = m.Position
		}
	}
	return highest
}

// flushBuffer delivers what was buffered and continues the position now. Called with t.mu
// held.
func (t *topic) flushBuffer() {
	for _, m := range t.buffered {
		if t.continues(m) {
			t.deliver(m)
			t.broker.marks.note(t.name, m.Position, m.Position)
		}
	}
	t.buffered, t.bufferedSize = nil, 0
}

// continues reports whether a live message continues the position, and is of no other
// branch than what this instance has seen. Called with t.mu held.
func (t *topic) continues(m *push.Message) bool {
	return m.Follows(t.position) && !t.broker.marks.contradict(t.name, m.Position)
}

// deliver passes a message that continues the position to the receivers. Called with t.mu
// held.
func (t *topic) deliver(m *push.Message) {
	t.position = m.Position
	for _, r := range t.receivers {
		r.Receive(m)
	}
	if m.TTL > 0 {
		t.endsKey(m.Time.Add(m.TTL).UnixMilli(), m.TTL)
	}
}

// quiet reports whether the topic must be compared with the store to know that it has
// missed nothing, and begins the period that the next call is about.
func (t *topic) quiet() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	quiet := !t.heard && !t.position.IsZero()
	t.heard = false
	return quiet
}

// unheard reports whether the message that the last check found wasn't heard since.
func (t *topic) unheard() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	unheard := !t.found.IsZero()
	t.found = broker.Position{}
	return unheard
}

// compare makes the topic read if the store has it elsewhere. A read also tells the store
// that the topic is in use, so one is due from time to time. What is ahead should be heard
// too, if the topic was already heard before.
func (t *topic) compare(head Head, heard bool) {
	t.mu.Lock()
	t.found = broker.Position{}
	if heard && head.Epoch == t.position.Epoch && head.Offset > t.position.Offset {
		t.found = head.Position
	}
	t.endsKey(head.Due, 0) // sooner than is known here: a touch, of which nobody is told
	due := head.Position != t.position || time.Since(t.read) > t.broker.options.Keep/4
	if head.IsZero() && t.broker.isFirst(t.name, t.position) {
		due = false // nothing is stored of it, and nothing need be
	}
	t.mu.Unlock()
	if due {
		t.repair()
	}
}
