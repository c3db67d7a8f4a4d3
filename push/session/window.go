package session

import (
	"slices"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// window is a part of a topic's history in memory, for clients that resume: a position,
// and all messages that follow it.
//
// A feed keeps one from the moment when it reads history. The window ends at the
// feed's head: live messages make it longer, and a read may move its start back. It
// is given up after windowLife, at a broken chain, and when the feed closes.
type window struct {
	start    broker.Position
	messages []*entry
	size     int  // of messages, by Message.Size
	oldest   bool // nothing before start can be given: history doesn't have it, or it doesn't fit
}

const (
	// windowLife is short because what is in a window stays readable when the
	// broker has trimmed it.
	windowLife = 5 * time.Second
	// maxWindows bounds all windows of a hub together, in bytes of messages and of
	// their frames, with a quarter of Limits.Memory. One that would go past it is given
	// up.
	maxWindows = 64 << 20
)

// newWindow takes what a broker has read after a place, as far as it is one chain.
// Nobody keeps its messages yet.
func newWindow(h *Host, start broker.Position, messages []*push.Message) *window {
	w := &window{start: start}
	for _, m := range messages {
		if !m.Follows(w.end()) {
			break
		}
		w.add(&entry{hub: h, message: m})
	}
	return w
}

func (w *window) end() broker.Position {
	if len(w.messages) == 0 {
		return w.start
	}
	return w.messages[len(w.messages)-1].message.Position
}

// at is the place at an offset that the window has.
func (w *window) at(offset uint64) broker.Position {
	if offset == w.start.Offset {
		return w.start
	}
	return w.messages[offset-w.start.Offset-1].message.Position
}

// contains reports whether the place is one of those that the window knows.
func (w *window) contains(p broker.Position) bool {
	return p.Offset >= w.start.Offset && p.Offset <= w.end().Offset && p == w.at(p.Offset)
}

// back is the place n messages before another, which is in the window, or as far back as
// the window goes. It isn't ok if history may go further.
func (w *window) back(from broker.Position, n int) (place broker.Position, ok bool) {
	if have := from.Offset - w.start.Offset; have < uint64(n) {
		return w.start, w.oldest || w.start.Offset == 0
	}
	return w.at(from.Offset - uint64(n)), true
}

// between gives the messages after a place, up to and with that at another. Both
// are in the window. Whoever takes them from it has to keep them.
func (w *window) between(after, upTo broker.Position) []*entry {
	return slices.Clone(w.messages[after.Offset-w.start.Offset : upTo.Offset-w.start.Offset])
}

// add makes the window longer by the message that follows its end.
func (w *window) add(e *entry) {
	w.messages = append(w.messages, e)
	w.size += e.message.Size()
}

// prepend moves the window's start back to that of an older one which reaches it, and
// whose messages somebody keeps.
func (w *window) prepend(older *window) {
	w.oldest = w.oldest || older.oldest && w.contains(older.start)
	if older.start == w.start || !older.contains(w.start) {
		return
	}
	w.oldest = older.oldest
	missing := keepAll(older.between(older.start, w.start))
	for _, e := range missing {
		e.enterWindow()
	}
	w.start, w.messages = older.start, append(missing, w.messages...)
	w.size += sizeOf(missing)
}

// trim drops the oldest messages until a limit is kept.
func (w *window) trim(limit broker.Limit) {
	n := 0
	for len(w.messages)-n > limit.Messages || w.size > limit.Bytes {
		w.start = w.messages[n].message.Position
		w.size -= w.messages[n].message.Size()
		n++
	}
	w.oldest = w.oldest || n > 0
	w.giveUp(n)
	clear(w.messages[:n])
	w.messages = w.messages[n:]
}

// giveUp lets go of the first n messages of a feed's window.
func (w *window) giveUp(n int) {
	for _, e := range w.messages[:n] {
		e.leaveWindow()
		e.release()
	}
}

// hasAtHand reports whether what follows a place takes no read.
func (f *feed) hasAtHand(place broker.Position) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return place == f.head || f.window != nil && f.window.contains(place)
}

// ForgetHistory gives up the window, so that only the broker knows what was. The broker of
// package pushtest calls it, whose history expires on demand.
func (f *feed) ForgetHistory() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
}

// The methods below are called with feed.mu held.

// remember begins a window at the head, unless there is one or the feed is closed.
func (f *feed) remember() {
	if f.window != nil || f.closed {
		return
	}
	w := &window{start: f.head}
	f.window = w
	f.windowEnd = time.AfterFunc(windowLife, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.window == w {
			f.forget()
		}
	})
}

// extend makes the window longer by the message that has come, if there is one.
func (f *feed) extend(e *entry) {
	if f.window == nil {
		return
	}
	if !e.keep() {
		f.forget()
		return
	}
	e.enterWindow()
	f.window.add(e)
	f.fit()
}

// fit holds the window to its bounds after it has grown.
func (f *feed) fit() {
	f.window.trim(f.hub.replay)
	if f.hub.windows.Load() > f.hub.memory.part(maxWindows) {
		f.forget()
	}
}

// forget gives up the window, if there is one.
func (f *feed) forget() {
	if f.window == nil {
		return
	}
	f.windowEnd.Stop()
	f.window.giveUp(len(f.window.messages))
	f.window = nil
}
