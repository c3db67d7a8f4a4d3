package redisbroker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// topic is one topic that somebody on this instance follows.
//
// Its place moves only forward along the chain. A message that doesn't continue
// it makes the topic read what is missing from history, one read at a time
// however many messages, checks and reconnects ask for it.
type topic struct {
	// static
	broker  *Broker
	name    string
	channel string
	opened  chan struct{} // closed when the place is known

	// guarded by broker.mu
	followers int
	link      *link // where it is heard

	mu        sync.Mutex // guards the rest; held while receivers are called
	place     push.Position
	receivers []push.Receiver
	repairing bool            // a goroutine runs repairs
	again     bool            // and must read once more
	held      []*push.Message // live messages that came while what is before them is read
	heldSize  int             // by Message.Size
	heard     bool            // a live message came since the last check
	found     push.Position   // the last message, which a check has found and nobody has heard
	attempt   *opening        // at the place; nil if nobody waits for it
	read      time.Time
}

func newTopic(b *Broker, name string) *topic {
	return &topic{broker: b, name: name, channel: b.options.channel(name), opened: make(chan struct{})}
}

// opening is one attempt to find the place, for all who wait for it.
type opening struct {
	refused chan struct{} // closed when err says that waiting doesn't help
	err     error
}

// opening gives the attempt that is under way.
func (t *topic) opening() *opening {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attempt == nil {
		t.attempt = &opening{refused: make(chan struct{})}
	}
	return t.attempt
}

// refuse ends the attempt to find the place if the error is one that lasts. Another one
// begins with whoever asks next.
func (t *topic) refuse(err error) {
	if !lasting(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attempt != nil && t.place.IsZero() {
		t.attempt.err = err
		close(t.attempt.refused)
		t.attempt = nil
	}
}

// add makes r get what follows the place, which it returns.
func (t *topic) add(r push.Receiver) push.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.receivers = append(t.receivers, r)
	return t.place
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

// take gets a live message.
func (t *topic) take(m *push.Message) {
	t.mu.Lock()
	if m.Position == t.found {
		t.found = push.Position{}
	}
	next := t.follows(m)
	old := m.Epoch == t.place.Epoch && m.Offset < t.place.Offset || m.Position == t.place
	if next && !t.place.IsZero() {
		t.heard = true
		t.deliver(m)
	} else if !old {
		t.hold(m)
	}
	t.mu.Unlock()
	if next {
		t.broker.witnesses.note(t.name, m.Position, m.Position)
	} else if !old {
		t.repair()
	}
}

// hold keeps a live message until what is missing before it has been read: else a
// topic where messages never stop would be read again and again. Called with t.mu
// held.
func (t *topic) hold(m *push.Message) {
	if len(t.held) == pageLimit.Messages || t.heldSize+m.Size() > pageLimit.Bytes {
		t.held, t.heldSize = nil, 0 // they will be read
	}
	t.held, t.heldSize = append(t.held, m), t.heldSize+m.Size()
}

// highestHeld is the last position of those that are held; zero if none is. Called with
// t.mu held.
func (t *topic) highestHeld() (highest push.Position) {
	for _, m := range t.held {
		if m.Epoch != highest.Epoch || m.Offset > highest.Offset {
			highest = m.Position
		}
	}
	return highest
}

// release delivers what was held and continues the place now. Called with t.mu
// held.
func (t *topic) release() {
	for _, m := range t.held {
		if t.follows(m) {
			t.deliver(m)
			t.broker.witnesses.note(t.name, m.Position, m.Position)
		}
	}
	t.held, t.heldSize = nil, 0
}

// follows reports whether a live message continues the place, and is of no other
// branch than what this instance has seen. Called with t.mu held.
func (t *topic) follows(m *push.Message) bool {
	return t.place.Precedes(m) && !t.broker.witnesses.contradict(t.name, m.Position)
}

// deliver hands a message that continues the place to the receivers. Called with
// t.mu held.
func (t *topic) deliver(m *push.Message) {
	t.place = m.Position
	for _, r := range t.receivers {
		r.Receive(m)
	}
}

// quiet reports whether the topic must be compared with Redis to know that it has
// missed nothing, and begins the next stretch of time of which that is asked.
func (t *topic) quiet() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	quiet := !t.heard && !t.place.IsZero()
	t.heard = false
	return quiet
}

// unheard reports whether the message that the last check has found wasn't heard since.
func (t *topic) unheard() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	unheard := !t.found.IsZero()
	t.found = push.Position{}
	return unheard
}

// compare makes the topic read if Redis has it elsewhere. A read also tells Redis
// that the topic is in use, so one is due from time to time. What is ahead should be
// heard too, if the topic was already heard before.
func (t *topic) compare(head push.Position, heard bool) {
	t.mu.Lock()
	t.found = push.Position{}
	if heard && head.Epoch == t.place.Epoch && head.Offset > t.place.Offset {
		t.found = head
	}
	due := head != t.place || time.Since(t.read) > t.broker.options.Keep/4
	if head.IsZero() && t.broker.isFirst(t.name, t.place) {
		due = false // nothing is stored of it, and nothing need be
	}
	t.mu.Unlock()
	if due {
		t.repair()
	}
}

const (
	readTimeout = 3 * time.Second
	minBackoff  = 20 * time.Millisecond
	maxBackoff  = time.Second
)

// repair reads what is missing, in a goroutine that serves all who ask meanwhile.
func (t *topic) repair() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.again = true
	if t.repairing {
		return
	}
	t.repairing = t.broker.start(t.repairs)
}

// repairs reads until nobody has asked since the last read began.
func (t *topic) repairs() {
	backoff := minBackoff
	for t.wanted() {
		err := t.readOn()
		if err == nil {
			backoff = minBackoff
			continue
		}
		t.refuse(err)
		t.mu.Lock()
		t.again = true
		t.mu.Unlock()
		if !sleep(t.broker.ctx, backoff) {
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// wanted reports whether a read is asked for, and takes the request.
func (t *topic) wanted() bool {
	followed := t.broker.follows(t)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.repairing = t.again && followed
	t.again = false
	return t.repairing
}

// readOn reads all from the place to the head. The first read only finds the
// place.
func (t *topic) readOn() error {
	for {
		done, err := t.readPage()
		if done || err != nil {
			return err
		}
	}
}

// readPage reads and delivers one page, and reports whether it was the last.
func (t *topic) readPage() (done bool, err error) {
	ctx, cancel := context.WithTimeout(t.broker.ctx, readTimeout)
	defer cancel()
	t.mu.Lock()
	from, heard := t.place, t.highestHeld()
	t.mu.Unlock()
	page, err := t.broker.from(ctx, t.name, from, heard)
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.release()
	if t.place != from { // live messages came meanwhile
		return t.place.Epoch == page.Head.Epoch && t.place.Offset >= page.Head.Offset, nil
	}
	t.read = time.Now()
	switch {
	case from.IsZero():
		t.place = page.Head
		close(t.opened)
		return true, nil
	case page.Gap != "":
		t.place = page.Head
		if len(page.Messages) > 0 {
			first := page.Messages[0]
			t.place = push.Position{Epoch: first.Epoch, Offset: first.Offset - 1, Tag: first.PreviousTag}
		}
		for _, r := range t.receivers {
			r.Break(push.Gap{Reason: page.Gap, Now: t.place})
		}
	}
	for _, m := range page.Messages {
		if !t.place.Precedes(m) {
			return false, foreign(errReply)
		}
		t.deliver(m)
	}
	return t.place.Offset >= page.Head.Offset || len(page.Messages) == 0, nil
}
