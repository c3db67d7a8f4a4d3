package session

import (
	"sync"
	"sync/atomic"

	"github.com/tidewire/tidewire/broker"
)

// shard does the fan-out for a share of the sessions, from one goroutine that runs
// while there is something to do. It goes in rounds: it takes all that feeds
// have fanned out, queues that for the sessions, and writes to each session, at once, all that
// waits for it. So messages join to one write when there is more to do than can be
// done, and none waits for another when there isn't.
//
// A session whose connection would make it wait leaves the round, and is written to
// by a goroutine of its own until it has caught up.
type shard struct {
	hub *Host

	// owned by run
	round   round
	single  [1]*Frame // what is written at once
	lent    []*Frame  // of the round before, whose sessions are written to in this one
	untimed int       // writes until one is timed

	// of each transport of hub.transports
	delivered [maxTransports]atomic.Uint64
	latency   [maxTransports]broker.Durations

	mu          sync.Mutex // guards the rest; innermost
	changed     sync.Cond  // queued has become shorter
	queued      []delivery // by feeds, in order
	size        int        // of queued, in bytes
	dispatching int        // how many are in this round
	dispatched  uint64     // how many were in the rounds before
	ready       []*Session // have something to be written, in order
	running     bool
	rounds      uint64 // begun
}

func newShard(h *Host) *shard {
	sh := &shard{hub: h}
	sh.changed.L = &sh.mu
	return sh
}

// round is what a shard does in one go.
type round struct {
	queued []delivery
	ready  []*Session
}

// maxBacklog is how many deliveries may wait for a round, before feeds do.
const maxBacklog = 256

// isBehind reports whether feeds have to wait, for the number of deliveries or for their
// share of the hub's memory. Called with sh.mu held.
func (sh *shard) isBehind() bool {
	share := sh.hub.memory.limit / int64(16*len(sh.hub.shards.list()))
	return len(sh.queued) >= maxBacklog || len(sh.queued) > 0 && int64(sh.size) > share
}

// enqueue has a group deliver in the next round. It waits while the shard is far behind, but
// not for a state, of which each group has at most one delivery queued: to encode that, the
// shard takes the lock of the feed, which the caller may hold.
func (sh *shard) enqueue(d delivery) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for d.frame != nil && sh.isBehind() {
		sh.changed.Wait()
	}
	if d.lent {
		sh.hub.memory.keep(d.frame, 0) // the feed keeps it too, so this can't fail
	}
	sh.queued = append(sh.queued, d)
	if d.frame != nil {
		sh.size += d.frame.size()
	}
	sh.start()
}

// add puts a session into the next round.
func (sh *shard) add(s *Session) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.ready = append(sh.ready, s)
	sh.start()
}

// start makes sure that run runs. Called with sh.mu held.
func (sh *shard) start() {
	if !sh.running {
		sh.running = true
		sh.hub.work.Go(sh.run)
	}
}

// settle waits until all that was enqueued so far has been delivered.
func (sh *shard) settle() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for last := sh.dispatched + uint64(sh.dispatching+len(sh.queued)); sh.dispatched < last; {
		sh.changed.Wait()
	}
}

// run goes around until there is nothing to do.
func (sh *shard) run() {
	r := &sh.round
	for sh.next() {
		alone := len(r.queued) == 1 && len(r.ready) == 0
		for i := range r.queued {
			r.queued[i].group.dispatch(&r.queued[i], alone)
		}
		for _, s := range r.ready {
			s.flush()
		}
	}
}

// next ends a round and begins the next, or is false if there is nothing to do.
func (sh *shard) next() bool {
	r := &sh.round
	sh.release()
	clear(r.queued)
	clear(r.ready)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.size = 0
	sh.rounds++
	sh.dispatched += uint64(sh.dispatching)
	r.queued, sh.queued = sh.queued, r.queued[:0]
	r.ready, sh.ready = sh.ready, r.ready[:0]
	sh.dispatching = len(r.queued)
	sh.changed.Broadcast()
	sh.running = len(r.queued) > 0 || len(r.ready) > 0
	if !sh.running {
		sh.release()
	}
	return sh.running
}

// release releases the frames of the round before this one: by now they are written, or
// kept by sessions. Those of this one are for the next.
func (sh *shard) release() {
	for _, f := range sh.lent {
		sh.hub.memory.release(f)
	}
	clear(sh.lent)
	sh.lent = sh.lent[:0]
	for i := range sh.round.queued {
		if d := &sh.round.queued[i]; d.lent {
			sh.lent = append(sh.lent, d.frame)
		}
		sh.lent = append(sh.lent, sh.round.queued[i].batch...)
	}
}
