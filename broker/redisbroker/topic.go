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

	followers int // guarded by broker.mu

	mu        sync.Mutex // guards the rest; held while receivers are called
	place     push.Position
	receivers []push.Receiver
	repairing bool // a goroutine runs repair
	again     bool // and must read once more
}

func newTopic(b *Broker, name string) *topic {
	_, _, channel := b.store.keys(name)
	return &topic{broker: b, name: name, channel: channel, opened: make(chan struct{})}
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
	next := t.place.Precedes(m)
	old := m.Epoch == t.place.Epoch && m.Offset < t.place.Offset || m.Position == t.place
	if next && !t.place.IsZero() {
		t.deliver(m)
	}
	t.mu.Unlock()
	if next {
		t.broker.remember(t.name, m.Position)
	} else if !old {
		t.repair()
	}
}

// deliver hands a message that continues the place to the receivers. Called with
// t.mu held.
func (t *topic) deliver(m *push.Message) {
	t.place = m.Position
	for _, r := range t.receivers {
		r.Receive(m)
	}
}

// check compares the place with Redis.
func (t *topic) check() {
	ctx, cancel := context.WithTimeout(t.broker.ctx, readTimeout)
	defer cancel()
	witness, err := t.broker.witness(t.name)
	if err != nil {
		return
	}
	page, err := t.broker.store.recent(ctx, t.name, 0, witness)
	if err != nil {
		return // the listener sees it too, and repairs when Redis is back
	}
	t.mu.Lock()
	behind := page.Head != t.place
	t.mu.Unlock()
	if behind {
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
	t.repairing = true
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	t.broker.start(t.repairs)
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
		t.mu.Lock()
		t.again = true
		t.mu.Unlock()
		select {
		case <-t.broker.ctx.Done():
			return
		case <-time.After(backoff):
			backoff = min(2*backoff, maxBackoff)
		}
	}
}

// wanted reports whether a read is asked for, and takes the request.
func (t *topic) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	wanted := t.again
	t.again = false
	t.repairing = wanted
	return wanted
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
	from := t.place
	t.mu.Unlock()
	witness, err := t.broker.witness(t.name)
	if err != nil {
		return false, err
	}
	page, err := t.broker.store.from(ctx, t.name, from, witness)
	if err != nil {
		return false, err
	}
	t.broker.remember(t.name, page.Head)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.place != from {
		return false, nil // live messages came meanwhile; read on from there
	}
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
		t.deliver(m)
	}
	return t.place.Offset >= page.Head.Offset || len(page.Messages) == 0, nil
}
