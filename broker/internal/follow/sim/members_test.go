//clock:virtual

package sim

import (
	"slices"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// membersLeave is when a member is gone that no instance has: its grace, or the lease of an
// instance that has died.
const membersLeave = 15*time.Second + time.Second

// present checks that the members of each topic are who follows it.
func (w *world) present(when string) {
	if !w.presence {
		return
	}
	for _, topic := range w.topics {
		var want []string
		for _, c := range w.clients {
			c.mu.Lock()
			if v := c.views[topic]; v != nil && v.stage == following {
				want = append(want, c.name)
			}
			c.mu.Unlock()
		}
		w.membersAre(topic, want, when)
	}
}

func (w *world) membersAre(topic string, want []string, when string) {
	var got []string
	w.store.mu.Lock()
	if rec := w.store.topics[broker.MembersTopic(topic)]; rec != nil && rec.keys != nil {
		for _, m := range rec.keys.Messages("", 0, false, now()) {
			got = append(got, m.Key)
		}
	}
	w.store.mu.Unlock()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.violate("members: %s those of %s are %q, and %q follow it", when, topic, got, want)
	}
	w.count("members", len(got))
}

// absent ends all clients, and one instance without a word: nobody is a member any more.
func (w *world) allLeave() {
	for _, c := range w.clients {
		c.end()
	}
	if !w.presence {
		return
	}
	w.abandon(w.replace(0))
	time.Sleep(membersLeave)
	for _, topic := range w.topics {
		w.membersAre(topic, nil, "after all have left")
	}
}
