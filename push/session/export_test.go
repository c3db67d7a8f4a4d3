package session

import (
	"maps"
	"slices"
	"unsafe"
)

// SessionSize and FrameSize are what a session and a frame take in memory besides what they
// point to.
const (
	SessionSize = unsafe.Sizeof(Session{})
	FrameSize   = unsafe.Sizeof(Frame{})
)

// Windows tells how many windows the hub's feeds keep, and how many bytes all
// windows count for.
func (h *Host) Windows() (kept int, bytes int64) {
	for _, f := range h.allFeeds() {
		f.mu.Lock()
		if f.window != nil {
			kept++
		}
		f.mu.Unlock()
	}
	return kept, h.windows.Load()
}

// Waiting is how many frames wait for the session's client.
func (s *Session) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outbox.count
}

// Shard is the number of the session's shard.
func (s *Session) Shard() int { return slices.Index(s.hub.shards.list(), s.shard) }

// Counted is how many users and sources of connections are counted.
func (h *Host) Counted() (users, sources int) {
	p := &h.limiter.slots
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.users), len(p.sources)
}

// Due is how many sessions wait for their rights to be asked again.
func (h *Host) Due() int {
	h.reviews.mu.Lock()
	defer h.reviews.mu.Unlock()
	return h.reviews.due.Len()
}

// Memory tells what is counted against Limits.Memory, and what is found to be held by
// looking at everything that holds something.
func (h *Host) Memory() (counted, found int64) {
	frames, entries := map[*Frame]bool{}, map[*entry]bool{}
	found = h.memory.reading.Load()
	for _, f := range h.allFeeds() {
		f.mu.Lock()
		if f.window != nil {
			addAll(entries, f.window.messages)
		}
		if f.mirror != nil {
			found += f.mirror.found()
		}
		f.mu.Unlock()
	}
	for _, s := range h.allSessions() {
		s.mu.Lock()
		found += s.outbox.paid + s.outbox.extra
		if s.outbox.keeps {
			addAll(frames, s.outbox.taken)
			addAll(frames, s.outbox.queue)
		}
		for _, sub := range s.subscriptions {
			if c := sub.catchUp; c != nil {
				addAll(frames, c.pending)
				addAll(entries, c.missed)
				if c.lag != nil {
					found += c.lag.paid
				}
			}
		}
		s.mu.Unlock()
	}
	for e := range entries {
		found += int64(e.message.Size())
		e.mu.Lock()
		for _, f := range e.frames {
			frames[f.frame] = true
		}
		e.mu.Unlock()
	}
	for f := range frames {
		if f.keepers.Load() != uncounted {
			found += int64(f.size())
		}
	}
	return h.memory.used.Load(), found
}

// found is what the mirror has, counted again.
func (mr *mirror) found() (size int64) {
	for key, e := range mr.entries {
		size += int64(len(key) + len(e.data) + mirroredCost)
	}
	return size
}

// Mirrors is what the mirrors of all feeds count for.
func (h *Host) Mirrors() int64 { return h.mirrors.Load() }

// Fill takes room as clients would that can't be cut, and gives what ends that.
func (h *Host) Fill(bytes int64) (empty func()) {
	h.memory.used.Add(bytes)
	return func() { h.memory.give(bytes) }
}

func addAll[T comparable](set map[T]bool, all []T) {
	for _, x := range all {
		set[x] = true
	}
}

func (h *Host) allFeeds() []*feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.feeds))
}

// SurveyNow makes a survey, however old the last is.
func (h *Host) SurveyNow() Survey {
	h.surveys.mu.Lock()
	h.surveys.last.At = h.surveys.last.At.Add(-surveyAge)
	h.surveys.mu.Unlock()
	return h.Survey()
}
