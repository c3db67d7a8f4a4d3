//clock:virtual

package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// attempt is one message that somebody has tried to publish, perhaps repeatedly.
type attempt struct {
	push.Message
	named bool
	acked []broker.Position
}

// publish lets an instance publish a message, beside all else.
func (w *world) publish(node int, topic string, named, replicated bool) {
	w.mu.Lock()
	a := &attempt{Message: push.Message{Topic: topic, Data: fmt.Appendf(nil, "message %d", len(w.attempts)), Replicated: replicated}, named: named}
	if named {
		a.ID = fmt.Sprintf("id-%d", len(w.attempts))
	}
	w.attempts = append(w.attempts, a)
	w.mu.Unlock()
	w.try(w.instance(node), a)
}

// retry publishes a message again that has a name.
func (w *world) retry(which, node int) {
	w.mu.Lock()
	var named []*attempt
	for _, a := range w.attempts {
		if a.named {
			named = append(named, a)
		}
	}
	w.mu.Unlock()
	if len(named) > 0 {
		w.try(w.instance(node), named[len(named)-1-which%len(named)])
	}
}

func (w *world) try(n *instance, a *attempt) {
	w.mu.Lock()
	w.tries++
	turn := w.tries
	w.mu.Unlock()
	w.work.Go(func() {
		time.Sleep(time.Duration(turn)) // one after the other, for the same order each time
		begun := time.Now()
		receipt, err := n.hub.Publish(context.Background(), a.Message)
		if a.Op == broker.OpTouch && !receipt.Duplicate && !errors.Is(err, push.CodeConflict) {
			w.noteTouch(a, begun, err == nil)
		}
		w.logf("%s: published %q: %+v, %v", n.name, a.Data, receipt, err)
		if receipt.Duplicate {
			w.count("duplicates", 1)
		}
		if err != nil {
			w.count(failing[a.Op]+" failed: "+string(push.AsError(err).Code), 1)
			return
		}
		w.mu.Lock()
		n.acked++
		w.mu.Unlock()
		if a.Op == broker.OpTouch || a.Op == broker.OpDelete && receipt.Duplicate {
			return // nothing is stored
		}
		e := w.store.find(receipt.Position)
		switch {
		case e == nil || string(e.Data) != string(a.Data) || e.Topic != a.Topic || e.Op != a.Op || e.Key != a.Key:
			w.violate("P8: %v %q is acknowledged at %v, and not stored there", a.Op, a.Data, receipt.Position)
		default:
			w.conditionHeld(a, e)
		}
		w.mu.Lock()
		a.acked = append(a.acked, receipt.Position)
		w.mu.Unlock()
	})
}

const (
	// healing is how long what was done to the system may have an effect.
	healing = 12 * time.Second
	// promptly is how long a message may take when all is well.
	promptly = 50 * time.Millisecond
	// slowly is how long what has changed may take to a client that reads slowly, for each
	// state: what waits for it is the map at most, while it gets what was the map before,
	// however much was changed.
	slowly = 4 * time.Second
)

// disturbed notes that the system isn't well, until heal or for a while.
func (w *world) disturbed(goesOn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case goesOn:
		w.calmAt = time.Time{}
	case !w.calmAt.IsZero():
		w.calmAt = time.Now().Add(healing)
	}
}

// heal ends all that goes on.
func (w *world) heal() {
	w.store.mu.Lock()
	f := &w.store.faults
	if f.thawed != nil {
		close(f.thawed)
	}
	*f = faults{seed: f.seed, delay: usualDelay, lost: f.lost}
	for c := range w.store.subscribers {
		c.lose = 0
	}
	w.store.mu.Unlock()
	for _, c := range w.clients {
		c.repair()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calmAt.IsZero() {
		w.calmAt = time.Now().Add(healing)
	}
}

// calmSince reports whether the system has been well since then.
func (w *world) calmSince(then time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.calmAt.IsZero() && !w.calmAt.After(then)
}

// onTime holds a message that a client gets against the clock.
func (w *world) onTime(p *place, e *entry) {
	due := e.stored
	for _, t := range []time.Time{p.since, p.client.calmAt} {
		if t.After(due) {
			due = t
		}
	}
	if late := time.Since(due) - promptly; late > 0 && !p.client.slow && w.calmSince(e.stored) {
		p.violate("late: %v came %v after the bound", e.Position, late)
	}
}

// check looks for what clients should have got by now.
func (w *world) check() {
	for _, c := range w.clients {
		c.mu.Lock()
		for _, p := range c.places {
			within := w.delivery(p.topic)
			if c.slow && c.onlyStates {
				within += slowly * time.Duration(len(w.states))
			}
			due := time.Now().Add(-within)
			if p.stage != following || p.since.After(due) || c.stalled || c.slow && !c.onlyStates || c.calmAt.After(due) {
				continue
			}
			e := w.store.newest(p.topic, due)
			if e != nil && w.calmSince(e.stored) && (p.at.Epoch != e.Epoch || p.at.Offset < e.Offset) {
				p.violate("late: %v should have come long ago", e.Position)
			}
			if p.state {
				w.beginsAgain(p, due.Add(-comparedWithin))
			}
		}
		c.mu.Unlock()
	}
	w.endInTime()
}

// beginsAgain checks that a client knows the epoch of a state that has begun again before a
// time, by the store: nobody says so.
func (w *world) beginsAgain(p *place, then time.Time) {
	epoch, began := w.store.beganAgain(p.topic)
	if epoch != 0 && p.at.Epoch != epoch && began.Before(then) && p.since.Before(then) && w.calmSince(then) {
		p.violate("late: the state began again %v ago, in epoch %v", time.Since(began), epoch)
	}
}

// delivery is how long what is published may take to the clients of a topic when all is well.
func (w *world) delivery(topic string) time.Duration {
	return promptly + w.store.rules.Of(topic).Interval
}

// newest returns the newest message that was stored by then.
func (s *Store) newest(topic string, then time.Time) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.topics[topic]
	if rec == nil {
		return nil
	}
	at := rec.head
	for s.all[at] != nil && s.all[at].stored.After(then) {
		at = s.all[at].before
	}
	return s.all[at]
}

// whole checks that every client is at the head of all its topics, with the map of each that
// is a state.
func (w *world) whole(when string) {
	w.awaitEnds()
	for _, c := range w.clients {
		c.mu.Lock()
		for _, p := range c.places {
			head := w.store.position(p.topic)
			if p.stage != following || p.at != head {
				p.violate("I6: %s it isn't at %v (stage %d)", when, head, p.stage)
			}
		}
		for _, v := range c.states {
			v.converged(when)
		}
		c.mu.Unlock()
	}
	w.present(when)
}

// mark publishes on each topic from each instance: one that has seen what the store has
// lost now says so.
func (w *world) mark() {
	for i := range w.instances {
		for _, topic := range w.topics {
			w.publish(i, topic, false, false)
		}
		for _, topic := range w.states {
			w.change(i, push.Message{Topic: topic, Key: "mark", Op: broker.OpSet}, false)
		}
	}
}

// settleAccounts checks what can only be known at the end.
func (w *world) settleAccounts() {
	r := w.store
	r.mu.Lock()
	defer r.mu.Unlock()
	w.once()
	w.livesWereKept()
	seen := w.seen()
	for _, a := range w.attempts {
		for _, p := range a.acked {
			if rec := r.topics[a.Topic]; rec != nil && rec.head.Epoch == p.Epoch && r.leads(p, rec.head) {
				continue
			}
			if seen[p] || r.flushed[p] {
				w.wasTold(p)
			} else {
				w.count("lost and seen by no instance", 1)
			}
			w.count("lost by the store", 1)
		}
	}
}

// once checks that no message is in a history twice.
func (w *world) once() {
	r := w.store
	stored := map[string][]*entry{}
	for _, e := range r.all {
		if strings.HasPrefix(e.Topic, broker.ReservedTopicPrefix) || e.Op == broker.OpDelete {
			continue // hubs say the same again, and a key may be deleted again
		}
		key := e.Topic + " " + string(e.Data)
		for _, other := range stored[key] {
			first, second := other, e
			if first.Offset > second.Offset {
				first, second = second, first
			}
			if r.leads(first.Position, second.Position) && second.stored.Sub(first.stored) < r.options.Retry {
				w.violate("P3: %q is stored at %v and at %v", e.Data, first.Position, second.Position)
			}
		}
		stored[key] = append(stored[key], e)
	}
}

// seen returns the messages that an instance which still lives has seen stored, as far as
// the store can still say whether it has them.
func (w *world) seen() map[broker.Position]bool {
	known := map[broker.Position]bool{}
	for _, n := range w.instances {
		for topic, seen := range n.port.seen {
			for _, p := range seen {
				if !w.store.topics[topic].canTell(p) {
					continue
				}
				for e := w.store.all[p]; e != nil && !known[e.Position]; e = w.store.all[e.before] {
					known[e.Position] = true
				}
			}
		}
	}
	return known
}

// wasTold checks that no client went past a lost message without learning of a gap.
func (w *world) wasTold(lost broker.Position) {
	r := w.store
	m := r.all[lost]
	way := map[broker.Position]bool{lost: true}
	for e := m; e != nil; e = r.all[e.before] {
		way[e.before] = true
	}
	for _, c := range w.clients {
		c.mu.Lock()
		// A client that was rewound has forgotten its gaps.
		if v := c.views[m.Topic]; v != nil && v.rewound.Before(m.stored) {
			if from, to := v.wentPast(m, way); !from.IsZero() {
				v.violate("I1: it went from %v to %v, past %v %q, which the store lost and an instance had seen", from, to, lost, m.Data)
			}
		}
		c.mu.Unlock()
	}
}

// wentPast returns the step by which a view left the way to a message, if it has not
// had a gap since the message was stored.
func (v *view) wentPast(m *entry, way map[broker.Position]bool) (from, past broker.Position) {
	for i, to := range v.moves {
		if to.gap && !to.at.Before(m.stored) {
			return broker.Position{}, broker.Position{}
		}
		if i > 0 && !to.gap && way[v.moves[i-1].to] && v.moves[i-1].to != m.Position && !way[to.to] {
			from, past = v.moves[i-1].to, to.to
		}
	}
	return from, past
}

// counted checks that the hubs have counted what happened.
func (w *world) counted() {
	var messages, counted uint64
	for _, c := range w.clients {
		for v := range maps.Values(c.views) {
			for _, m := range v.moves {
				if !m.gap {
					messages++
				}
			}
		}
	}
	for _, n := range append(w.gone, w.instances...) {
		s := n.hub.Stats()
		counted += s.Delivered + s.Replayed
		w.count("published", int(s.Published))
		w.count("replayed", int(s.Replayed))
		w.count("lagged", int(s.Lagged))
		for code, n := range s.Closed {
			w.count("closed "+string(code), int(n))
		}
		if s.Published != n.acked {
			w.violate("I9: %s: %d messages counted as published, %d acknowledged", n.name, s.Published, n.acked)
		}
	}
	if messages > counted {
		w.violate("I9: clients got %d messages, the hubs counted %d", messages, counted)
	}
}
