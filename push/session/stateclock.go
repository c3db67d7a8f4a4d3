package session

import (
	"time"

	"github.com/tidewire/tidewire/broker"
)

// stateClock says when a feed of a state topic delivers changes, by the Interval of the topic's
// rule. It is the feed's, so that clients that poll share it: a group ends with its last poll. All
// of it is guarded by feed.mu.
type stateClock struct {
	interval time.Duration // static; zero is at once

	last  time.Time       // when changes were delivered last
	upTo  broker.Position // the feed's head then: a client that comes with it has all that others have
	timer *time.Timer     // until changes may be delivered again; nil while nobody waits for that
}

// The methods below are called with f.mu held.

// deliversNow reports whether a change goes to the shards at once. Otherwise it goes when the
// interval is over.
func (f *feed) deliversNow() bool {
	c := &f.mirror.clock
	switch {
	case c.interval <= 0:
		return true
	case len(f.groups) == 0:
		return false
	case c.isDue():
		c.last, c.upTo = time.Now(), f.head
		return true
	default:
		f.startClock()
		return false
	}
}

// isDue reports whether the interval is over.
func (c *stateClock) isDue() bool { return c.timer == nil && time.Since(c.last) >= c.interval }

// startClock has changes delivered when the interval is over.
func (f *feed) startClock() {
	c := &f.mirror.clock
	if c.timer != nil {
		return
	}
	f.hub.work.Add()
	var timer *time.Timer
	timer = time.AfterFunc(c.interval-time.Since(c.last), func() {
		defer f.hub.work.Done()
		f.mu.Lock()
		defer f.mu.Unlock()
		if c.timer == timer {
			c.timer = nil
			f.deliverChanges()
		}
	})
	c.timer = timer
}

// stopClock ends the waiting: nobody is left to deliver to.
func (f *feed) stopClock() {
	c := &f.mirror.clock
	if c.timer != nil && c.timer.Stop() {
		f.hub.work.Done()
	}
	c.timer = nil
}

// deliverChanges has each group deliver what it has.
func (f *feed) deliverChanges() {
	c, some := &f.mirror.clock, false
	for _, g := range f.groups {
		for _, p := range g.parts {
			some = p.state.scheduleAll() || some
		}
	}
	if some {
		c.last, c.upTo = time.Now(), f.head
	}
}

// delays reports whether a client has to wait for what it lacks until the interval is over. A
// client that polls does if it has all that others have: otherwise it would get an answer for
// each change. One that brings the end of an interval gets all at once, and begins the next.
func (f *feed) delays(sub *subscription) bool {
	c, place := &f.mirror.clock, sub.catchUp
	if _, polls := sub.session.conn.(Collector); !polls || c.interval <= 0 || place.from != FromCursor || place.since == place.head {
		return false
	}
	if c.isDue() {
		c.last, c.upTo = time.Now(), f.head
		return false
	}
	if !place.since.Reaches(c.upTo) {
		return false
	}
	f.startClock()
	return true
}
