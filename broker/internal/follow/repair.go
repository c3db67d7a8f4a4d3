package follow

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/broker"
)

const (
	readTimeout = 3 * time.Second
	minBackoff  = 20 * time.Millisecond
	maxBackoff  = time.Second
)

// repair reads what is missing, in a goroutine that serves everybody who asks meanwhile.
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

// readOn reads everything from the position to the head. The first read only finds the
// position.
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
	from, heard := t.position, t.highestBuffered()
	t.mu.Unlock()
	page, err := t.broker.from(ctx, t.name, from, heard)
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.flushBuffer()
	if t.position != from { // live messages came meanwhile
		return t.position.Epoch == page.Head.Epoch && t.position.Offset >= page.Head.Offset, nil
	}
	t.read = time.Now()
	if t.isState && page.Head.Offset > 0 {
		t.endsKey(unknownDue, 0)
	}
	if !from.IsZero() && (page.Gap != "" || len(page.Messages) > 0) {
		t.broker.repairs.Add(1)
	}
	switch {
	case from.IsZero():
		t.position = page.Head
		close(t.opened)
		return true, nil
	case page.Gap != "":
		t.position = page.Head
		if len(page.Messages) > 0 {
			first := page.Messages[0]
			t.position = broker.Position{Epoch: first.Epoch, Offset: first.Offset - 1, Tag: first.PreviousTag}
		}
		for _, r := range t.receivers {
			r.Break(broker.Gap{Reason: page.Gap, Now: t.position})
		}
	}
	for _, m := range page.Messages {
		if !m.Follows(t.position) {
			return false, Foreign(errPage)
		}
		t.deliver(m)
	}
	return t.position.Offset >= page.Head.Offset || len(page.Messages) == 0, nil
}
