package follow

import (
	"context"
	"hash/fnv"
	"time"
)

const (
	// expirySpread is how far apart instances ask for the same key's end.
	expirySpread = 200 * time.Millisecond
	// expiryRetry is when one asks again that got no answer.
	expiryRetry = time.Second
	// expiryWait is the longest time until the store is asked, whenever the next key is due.
	expiryWait = 24 * time.Hour
	// unknownDue is before every deadline: the store is asked for the next one.
	unknownDue = 1
)

// expiry makes the keys of a followed state end when they are due. Guarded by topic.mu.
type expiry struct {
	due    int64       // by the store's clock, as far as known here; zero if no key has a deadline
	at     time.Time   // by this instance's
	timer  *time.Timer // until then; nil if there was none yet
	asking bool        // the store is asked, and says when to ask again
	ended  bool        // nobody follows the topic any more
}

// endsKey notes that a key ends, so that it does. Called with t.mu held.
func (t *topic) endsKey(due int64, in time.Duration) {
	e := &t.expiry
	if t.isState && due != 0 && (e.due == 0 || due < e.due) {
		e.due, e.at = due, time.Now().Add(in)
		t.setTimer()
	}
}

// setTimer makes the store be asked when the next key is due. Called with t.mu held.
func (t *topic) setTimer() {
	e := &t.expiry
	if e.asking || e.ended || e.due == 0 {
		return
	}
	wait := min(time.Until(e.at), expiryWait)
	if wait > 0 {
		wait += t.expiryDelay()
	}
	if e.timer == nil {
		e.timer = time.AfterFunc(wait, func() { t.broker.start(t.expire) })
	} else {
		e.timer.Reset(wait)
	}
}

// expiryDelay is how long this instance lets others go before it.
func (t *topic) expiryDelay() time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.broker.id + t.name))
	return time.Duration(h.Sum32()) % expirySpread
}

// expire asks the store to delete what is due, in a goroutine of its own.
func (t *topic) expire() {
	t.mu.Lock()
	e := &t.expiry
	if e.asking || e.ended {
		t.mu.Unlock()
		return
	}
	known := e.due
	e.due, e.asking = 0, true
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.broker.ctx, readTimeout)
	defer cancel()
	next, err := t.broker.expire(ctx, t.name)
	t.mu.Lock()
	defer t.mu.Unlock()
	e.asking = false
	if err != nil {
		t.endsKey(known, expiryRetry)
	} else {
		t.endsKey(next.Due, next.In)
	}
	t.setTimer() // for what was noted meanwhile
}

// stopExpiry ends the timer for good.
func (t *topic) stopExpiry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expiry.ended = true
	if t.expiry.timer != nil {
		t.expiry.timer.Stop()
	}
}
