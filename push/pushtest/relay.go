package pushtest

import (
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// relay is between the broker and a receiver, and loses what it is told to.
type relay struct {
	to push.Receiver

	mu     sync.Mutex // guards the rest, and orders the receiver's calls
	losing bool
	lost   []*push.Message // that the receiver has yet to get
	gone   bool            // history doesn't have the first of them any more
	repair *time.Timer     // runs while something is lost
	ended  bool
}

// repairAfter is when a broker finds what was lost, if nothing follows it.
const repairAfter = time.Second

// Receive loses the message, or delivers it after what was lost before it.
func (r *relay) Receive(m *push.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.losing {
		r.losing = false
		r.lost = append(r.lost, m)
		r.repair = time.AfterFunc(repairAfter, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.recover()
		})
		return
	}
	r.recover()
	r.to.Receive(m)
}

func (r *relay) Break(gap broker.Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to.Break(gap)
}

// recover delivers what was lost, or tells that it is gone. Called with r.mu held.
func (r *relay) recover() {
	if len(r.lost) == 0 || r.ended {
		return
	}
	r.repair.Stop()
	if r.gone {
		last := r.lost[len(r.lost)-1]
		r.to.Break(broker.Gap{Topic: last.Topic, Reason: broker.GapTrimmed, Now: last.Position})
	} else {
		for _, m := range r.lost {
			r.to.Receive(m)
		}
	}
	r.lost, r.gone = nil, false
}

func (r *relay) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losing = true
}

// expire has the receiver forget as well what it keeps of the history itself.
func (r *relay) expire() {
	r.mu.Lock()
	r.gone = len(r.lost) > 0
	r.mu.Unlock()
	if keeper, ok := r.to.(interface{ ForgetHistory() }); ok {
		keeper.ForgetHistory()
	}
}

// end drops what was lost: nobody gets anything any more.
func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	if r.repair != nil {
		r.repair.Stop()
	}
}
