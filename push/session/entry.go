package session

import (
	"sync"

	"github.com/tidewire/tidewire/push"
)

// entry is a message of a topic as it is kept for its clients: encoded once for
// each format, whoever asks first. What it holds counts while somebody keeps it.
type entry struct {
	// static
	hub     *Host
	message *push.Message

	mu       sync.Mutex  // guards the rest
	frames   []formatted // while somebody keeps it
	keepers  int
	windowed bool // it counts in hub.windows
}

type formatted struct {
	format Format
	frame  *Frame
}

// frame gives the message in a format.
func (e *entry) frame(format Format) *Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.frames {
		if f.format == format {
			return f.frame
		}
	}
	frame := format.Message(e.message)
	if e.keepers > 0 && e.mayHold(frame) {
		e.frames = append(e.frames, formatted{format, frame})
	}
	return frame
}

// mayHold counts in a frame that the entry is to hold, if there is room. Called with
// e.mu held.
func (e *entry) mayHold(frame *Frame) bool {
	m, size := &e.hub.memory, int64(frame.size())
	if e.windowed && e.hub.windows.Load()+size > m.part(maxWindows) || !m.keep(frame, m.high) {
		return false
	}
	if e.windowed {
		e.hub.windows.Add(size)
	}
	return true
}

// keep counts one more keeper. It can fail only for the first.
func (e *entry) keep() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keepers == 0 && !e.hub.memory.take(int64(e.message.Size()), e.hub.memory.high) {
		return false
	}
	e.keepers++
	return true
}

// release counts one keeper less.
func (e *entry) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keepers--; e.keepers > 0 {
		return
	}
	e.hub.memory.give(int64(e.message.Size()))
	for _, f := range e.frames {
		e.hub.memory.release(f.frame)
	}
	e.frames = nil
}

// enterWindow has what the entry holds counted in hub.windows. It is kept.
func (e *entry) enterWindow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.windowed = true
	e.hub.windows.Add(e.size())
}

func (e *entry) leaveWindow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.windowed = false
	e.hub.windows.Add(-e.size())
}

// size is what the entry holds: the message and its frames. Called with e.mu held.
func (e *entry) size() int64 {
	size := e.message.Size()
	for _, f := range e.frames {
		size += f.frame.size()
	}
	return int64(size)
}

// share is what each of those that keep the entry has of it.
func (e *entry) share() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.size() / int64(max(1, e.keepers))
}

func sizeOf(entries []*entry) int {
	size := 0
	for _, e := range entries {
		size += e.message.Size()
	}
	return size
}

// keepAll keeps entries that somebody else keeps too.
func keepAll(entries []*entry) []*entry {
	for _, e := range entries {
		e.keep()
	}
	return entries
}

func releaseAll(entries []*entry) {
	for _, e := range entries {
		e.release()
	}
}
