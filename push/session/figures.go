package session

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidewire/tidewire/push"
)

// maxTransports is how many transports have figures of their own. Any more share those of
// the last.
const maxTransports = 8

// transportFigures are what is counted of one transport where its sessions begin and end.
// The shards and the sessions count the rest.
type transportFigures struct {
	name     string
	sessions int    // now
	opened   uint64 // so far
	written  uint64 // bytes, by sessions that have ended
}

// countOpened counts a new session, and returns its transport's index in h.transports.
// Called with h.mu held.
func (h *Host) countOpened(transport string) uint8 {
	if transport == "" {
		transport = "other"
	}
	i := slices.IndexFunc(h.transports, func(f transportFigures) bool { return f.name == transport })
	switch {
	case i >= 0:
	case len(h.transports) < maxTransports:
		i = len(h.transports)
		h.transports = append(h.transports, transportFigures{name: transport})
	default:
		i = maxTransports - 1
	}
	h.transports[i].sessions++
	h.transports[i].opened++
	return uint8(i)
}

// countEnded counts a session that has ended, and what it has written. Called with h.mu
// held.
func (h *Host) countEnded(s *Session, written uint64) {
	f := &h.transports[s.transport]
	f.sessions--
	f.written += written
}

// addSessions adds what the host and each session have.
func (h *Host) addSessions(s *push.Stats) {
	h.mu.Lock()
	s.Sessions, s.Topics, s.Subscriptions = len(h.sessions), len(h.feeds)-h.lingering.feeds.Len(), h.followers
	transports := slices.Clone(h.transports)
	sessions := slices.AppendSeq(make([]*Session, 0, len(h.sessions)), maps.Values(h.sessions))
	h.mu.Unlock()
	for _, session := range sessions {
		session.mu.Lock()
		s.Queued += session.outbox.count
		s.QueuedBytes += session.outbox.size
		s.DeepestQueue = max(s.DeepestQueue, session.outbox.size)
		transports[session.transport].written += session.written
		session.mu.Unlock()
	}
	s.Transports = make(map[string]push.TransportStats, len(transports))
	for i, f := range transports {
		t := push.TransportStats{Sessions: f.sessions, Opened: f.opened, Written: f.written}
		for _, sh := range h.shards.list() {
			t.Delivered += sh.delivered[i].Load()
			sh.latency[i].AddTo(&t.Latency)
		}
		s.Delivered += t.Delivered
		s.Transports[f.name] = t
	}
}

// addShards adds what waits for shards.
func (h *Host) addShards(s *push.Stats) {
	for _, sh := range h.shards.list() {
		sh.mu.Lock()
		s.Backlog += len(sh.queued)
		sh.mu.Unlock()
	}
}

// stamp is when a message came to this instance, in microseconds on the hub's clock, and
// in its lowest bit whether it is traced. The time begins again after 35 minutes. A stamp
// is never zero.
type stamp uint32

const traced stamp = 1

// stampOf returns the stamp of a live message.
func (h *Host) stampOf(m *push.Message) stamp {
	if h.local && !m.Time.IsZero() {
		return h.stampAt(m.Time)
	}
	return h.stampAt(time.Now())
}

func (h *Host) stampAt(t time.Time) stamp {
	return max(2, stamp(t.Sub(h.born).Microseconds())<<1)
}

// until returns the time from a stamp to another.
func (s stamp) until(now stamp) time.Duration {
	return time.Duration((now-s&^traced)>>1) * time.Microsecond
}

// sampleGap is how many writes of a shard there are for one that is timed, on average.
const sampleGap = 8

// samples reports whether a write of the shard is to be timed. Only run calls it.
func (sh *shard) samples() bool {
	if sh.untimed--; sh.untimed >= 0 {
		return false
	}
	sh.untimed = rand.IntN(2*sampleGap - 1)
	return true
}

// timeWrite counts how long the live messages among frames, which are written now, took from
// when they came.
func (s *Session) timeWrite(frames []*Frame) {
	now, latency := s.hub.stampAt(time.Now()), &s.shard.latency[s.transport]
	for _, f := range frames {
		if f.arrived != 0 {
			latency.Add(f.arrived.until(now))
		}
	}
}
