package session

import (
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// memory counts what waits for all clients of a hub, against Limits.Memory: frames that
// are queued, held back or being written, messages that were read for clients that come
// back, and what transports keep for theirs. A frame that waits for a thousand clients is
// in memory once, and counts once: from the first that keeps it to the last that lets it
// go.
//
// Past high the greediest sessions are cut until low is reached (see shed), reads of
// history wait, and new clients are refused. Nothing is taken past limit.
type memory struct {
	// static
	hub              *Host
	limit, high, low int64

	used    atomic.Int64
	reading atomic.Int64 // the part of used that is for reads under way

	waiting  atomic.Int32 // how many wait for room
	shedding atomic.Bool

	mu    sync.Mutex    // guards the rest; innermost
	freed chan struct{} // closed when there may be room; nil if nobody waits
	news  shedNews
}

const (
	// sendPatience is how long a message waits for room while sessions are cut. Then it
	// goes only to those that take it at once.
	sendPatience = 200 * time.Millisecond
	// unknownMemory is the share where neither a limit nor the machine's memory is known.
	unknownMemory = 256 << 20
)

// memoryShare is a quarter of what the process may use: by GOMEMLIMIT, or else of what
// the machine or its container has.
func memoryShare() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit / 4
	}
	if machine := machineMemory(); machine > 0 {
		return machine / 4
	}
	return unknownMemory
}

func (m *memory) init(h *Host, limit int64) {
	m.hub, m.limit = h, limit
	m.high, m.low = limit/4*3, limit/8*5
}

// part bounds what one kind of use may take of the whole, so that what comes and goes by
// itself never makes sessions be cut.
func (m *memory) part(most int64) int64 { return min(most, m.limit/4) }

// take counts bytes in, if the sum stays within an edge.
func (m *memory) take(n, edge int64) bool {
	for {
		used := m.used.Load()
		if n > edge-used {
			m.relieve()
			return false
		}
		if m.used.CompareAndSwap(used, used+n) {
			if used+n > m.high {
				m.relieve()
			}
			return true
		}
	}
}

// give counts bytes out.
func (m *memory) give(n int64) {
	if n == 0 {
		return
	}
	m.used.Add(-n)
	m.wake()
}

// count counts bytes in that are there anyway, or out if n is negative.
func (m *memory) count(n int64) {
	if n <= 0 {
		m.give(-n)
	} else if m.used.Add(n) > m.high {
		m.relieve()
	}
}

// wake has those try again that wait for room.
func (m *memory) wake() {
	if m.waiting.Load() > 0 {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.freed != nil {
			close(m.freed)
			m.freed = nil
		}
	}
}

// await tries again whenever there may be room, until over is closed.
func (m *memory) await(over <-chan struct{}, try func() bool) bool {
	if try() {
		return true
	}
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	for {
		freed := m.nextFreed()
		if try() {
			return true
		}
		select {
		case <-freed:
		case <-over:
			return false
		}
	}
}

func (m *memory) nextFreed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed == nil {
		m.freed = make(chan struct{})
	}
	return m.freed
}

// full reports whether more clients would only make it worse.
func (m *memory) full() bool { return m.used.Load() > m.high }

// uncounted are the keepers of a frame that all clients of all hubs share.
const uncounted = -1

// keep counts one more keeper of a frame. It can fail only for the first.
func (m *memory) keep(f *Frame, edge int64) bool {
	for {
		n := f.keepers.Load()
		switch {
		case n == uncounted:
			return true
		case n > 0:
			if f.keepers.CompareAndSwap(n, n+1) {
				return true
			}
		default:
			if !m.take(int64(f.size()), edge) {
				return false
			}
			if f.keepers.CompareAndSwap(0, 1) {
				return true
			}
			m.give(int64(f.size())) // another was the first
		}
	}
}

// letGo counts one keeper less.
func (m *memory) letGo(f *Frame) {
	if f.keepers.Load() != uncounted && f.keepers.Add(-1) == 0 {
		m.give(int64(f.size()))
	}
}

// keepAll keeps all frames, or none if there is no room.
func (m *memory) keepAll(frames []*Frame) bool {
	for i, f := range frames {
		if !m.keep(f, m.limit) {
			m.letGoAll(frames[:i])
			return false
		}
	}
	return true
}

func (m *memory) letGoAll(frames []*Frame) {
	for _, f := range frames {
		m.letGo(f)
	}
}

// admit keeps a frame that is to be told to many, and waits for room if it has to.
// Without room no session may keep it.
func (m *memory) admit(f *Frame) bool {
	try := func() bool { return m.keep(f, m.limit) }
	if try() {
		return true
	}
	if int64(f.size()) > m.limit {
		return false
	}
	over := make(chan struct{})
	timer := time.AfterFunc(sendPatience, func() { close(over) })
	defer timer.Stop()
	return m.await(over, try)
}

// claimOf is what is claimed for a read that may bring so much: no more than there is room
// for once the greediest have been cut.
func (m *memory) claimOf(most int64) int64 { return min(most, m.high-m.low) }

// claim counts in what a read of history may bring, when there is room.
func (m *memory) claim(n int64) bool {
	for {
		reading := m.reading.Load()
		if reading > 0 && reading+n > m.part(math.MaxInt64) {
			return false
		}
		if m.reading.CompareAndSwap(reading, reading+n) {
			break
		}
	}
	if !m.take(n, m.high) {
		m.reading.Add(-n)
		return false
	}
	return true
}

// exchange takes what a read has brought in place of what was claimed for it.
func (m *memory) exchange(claimed, read int64) bool {
	m.reading.Add(-claimed)
	defer m.wake()
	if read <= claimed || m.take(read-claimed, m.high) {
		m.give(max(0, claimed-read))
		return true
	}
	m.give(claimed)
	return false
}
