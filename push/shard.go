package push

import "sync"

// shard writes for a share of the sessions, from one goroutine that runs while
// any of them has something to be written. It goes around: to each session it writes,
// at once, all that waits for it. So messages join to one write when there is more to
// do than can be done, and none waits for another when there isn't.
//
// A session whose connection would make it wait leaves the round, and is written to
// by a goroutine of its own until it has caught up.
type shard struct {
	hub *Hub

	mu      sync.Mutex // guards the rest; innermost
	ready   []*Session // have something to be written, in order
	spare   []*Session // the last round's array, to be used again
	running bool
}

// add puts a session into the next round.
func (sh *shard) add(s *Session) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.ready = append(sh.ready, s)
	if !sh.running {
		sh.running = true
		sh.hub.work.Go(sh.run)
	}
}

// run goes around until nothing is left to write.
func (sh *shard) run() {
	for round := sh.next(nil); round != nil; round = sh.next(round) {
		for _, s := range round {
			s.flush()
		}
	}
}

// next gives the sessions of the next round, nil if there are none.
func (sh *shard) next(last []*Session) []*Session {
	clear(last)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.spare = last[:0]
	if len(sh.ready) == 0 {
		sh.running = false
		return nil
	}
	round := sh.ready
	sh.ready = sh.spare
	return round
}
