package session

import (
	"container/list"
	"time"
)

const (
	// lingerTime is how long a feed stays subscribed at the broker after its last follower
	// has left.
	lingerTime = 5 * time.Second
	// maxLingering bounds the feeds of a hub that linger. It is also what a client can cost
	// that follows and leaves made-up names.
	maxLingering = 1000
)

// lingering holds the feeds of a hub that nobody follows, the one that was left first in
// front. They are still in Host.feeds and subscribed at the broker, so a page that reloads
// and a client that polls find their topics open, with the window and without a seam.
// Only feeds that the broker has opened linger. One timer serves all of them.
type lingering struct {
	feeds list.List   // of *feed
	timer *time.Timer // runs while there are feeds; nil before the first
}

// The methods below are called with Host.mu held.

// linger keeps a feed whose last follower has left. Past maxLingering it returns the feed
// that was left first, which the caller closes.
func (h *Host) linger(f *feed) (oldest *feed) {
	l := &h.lingering
	f.left = h.wheel.Now()
	f.lingers = l.feeds.PushBack(f)
	switch {
	case l.timer == nil:
		l.timer = time.AfterFunc(lingerTime, h.endLinger)
	case l.feeds.Len() == 1:
		l.timer.Reset(lingerTime)
	case l.feeds.Len() > maxLingering:
		oldest = l.feeds.Front().Value.(*feed)
		h.forgetFeed(oldest)
	}
	return oldest
}

// stopLinger makes a feed one that is followed. The timer stays as it is: it looks at the
// feeds that are left.
func (h *Host) stopLinger(f *feed) {
	if f.lingers != nil {
		h.lingering.feeds.Remove(f.lingers)
		f.lingers = nil
	}
}

// leftBefore takes out the feeds that nobody has followed since a time on the hub's clock.
func (h *Host) leftBefore(then time.Duration) (feeds []*feed) {
	for e := h.lingering.feeds.Front(); e != nil; e = h.lingering.feeds.Front() {
		f := e.Value.(*feed)
		if f.left > then {
			break
		}
		h.forgetFeed(f)
		feeds = append(feeds, f)
	}
	return feeds
}

// forgetFeed makes the next follower of a topic open a feed of its own.
func (h *Host) forgetFeed(f *feed) {
	h.stopLinger(f)
	if h.feeds[f.topic] == f {
		delete(h.feeds, f.topic)
	}
}

// endLinger closes the feeds that have lingered for long enough. The timer calls it.
func (h *Host) endLinger() {
	h.mu.Lock()
	due := h.leftBefore(h.wheel.Now() - lingerTime)
	if first := h.lingering.feeds.Front(); first != nil {
		h.lingering.timer.Reset(first.Value.(*feed).left + lingerTime - h.wheel.Now())
	}
	if len(due) == 0 {
		h.mu.Unlock()
		return
	}
	h.work.Add() // before a drain can begin, so Shutdown waits
	h.mu.Unlock()
	defer h.work.Done()
	closeAll(due)
}

// endAllLinger takes out all feeds that linger, for a hub that drains.
func (h *Host) endAllLinger() []*feed {
	if h.lingering.timer != nil {
		h.lingering.timer.Stop()
	}
	return h.leftBefore(h.wheel.Now())
}

func closeAll(feeds []*feed) {
	for _, f := range feeds {
		f.close()
	}
}
