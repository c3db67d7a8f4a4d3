//clock:virtual

package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// schedule is all that is drawn of one simulated run.
type schedule struct {
	Seed                       uint64 // for delays, epochs and tags
	Instances, Clients, Topics int
	Tight                      bool // history, queues and replays have room for little
	Steps                      []step
	States                     int  // topics that are states, besides
	Presence                   bool // whose members are kept, of logs
}

// step is one thing that happens; what its numbers mean depends on its kind.
type step struct {
	Kind    kind
	A, B, C int
}

type kind string

const (
	publishOne        kind = "publish"            // A topic, B instance, C: named, replicated
	publishMany       kind = "burst"              // A topic, B instance, C: how many
	retryOne          kind = "retry"              // A which, B instance
	advance           kind = "advance"            // A: how long
	cut               kind = "cut"                // A client, B: how
	stall             kind = "stall"              // A client
	heal              kind = "heal"               // all that goes on
	hop               kind = "hop"                // A client, B: to which instance and transport, C: as a page that is loaded again, if it may
	rewind            kind = "rewind"             // A client, B: how far
	revoke            kind = "revoke"             // A client, B instance, C: all, or one topic
	allow             kind = "allow"              // the same
	forge             kind = "forge"              // A client, B: how, C: how far
	storm             kind = "storm"              // all clients leave and come back, A: to instances, B: how far they rewind
	resubscribe       kind = "resubscribe"        // A client, B topic
	lose              kind = "lose"               // A instance, B: how many messages
	killSubscriber    kind = "kill subscriber"    // A instance
	silenceSubscriber kind = "silence subscriber" // A instance
	freeze            kind = "freeze"
	delay             kind = "delay"       // A: how long
	failBefore        kind = "fail before" // A: how many calls, B: only reads
	failAfter         kind = "fail after"  // A: how many calls, B: only reads
	lag               kind = "lag"
	promote           kind = "promote" // A: how far behind, B: connections stay, and are silent
	flush             kind = "flush"
	save              kind = "save"
	restore           kind = "restore" // what was saved
	evict             kind = "evict"   // A topic, B: head, or how much of the history stays
	restart           kind = "restart"
	kill              kind = "kill"

	// Of states; all others befall them too.
	changeOne  kind = "change"      // A key, B instance and how long it stays, C: how
	changeMany kind = "change many" // the same, and so many
	contend    kind = "contend"     // A key, B: how many, C instances
	slow       kind = "slow"        // A client
	flood      kind = "flood"       // A client and keys, B instance, C: how many
	evictKeys  kind = "evict keys"  // A topic, B: all, or only when they end
)

// stateKinds are those that only a schedule with states has.
var stateKinds = []kind{changeOne, changeOne, changeOne, changeOne, changeMany, changeMany, contend, slow, flood, flood, advance, advance, advance, evictKeys}

// kinds are those that a schedule has or lacks, besides publishing and waiting.
var kinds = []kind{
	publishMany, retryOne, cut, stall, heal, hop, rewind, storm, resubscribe, lose, killSubscriber, silenceSubscriber, freeze, delay,
	failBefore, failAfter, lag, promote, flush, evict, restart, kill, forge, save, restore, revoke, allow,
}

// needs says which faults only one healer heals, or the others not in time: without it they
// aren't drawn. After a promotion the fence may come only when an instance that has seen
// what is lost next publishes.
var needs = map[string][]kind{
	"live":    {promote, restore, flush},
	"check":   {lose, flush, evict, promote, restore, failAfter, freeze},
	"compare": {silenceSubscriber, promote, restore},
	"probe":   {silenceSubscriber, promote, restore},
}

// A schedule has up to maxSteps steps, and half of them as a rule.
const (
	maxSteps = 40
	part     = 10
)

// schedules draws schedules. Each has about half of the kinds, so that most have
// few, and some have none.
func schedules(without string) *rapid.Generator[schedule] {
	var left []kind
	for _, k := range kinds {
		if !slices.Contains(needs[without], k) {
			left = append(left, k)
		}
	}
	return rapid.Custom(func(t *rapid.T) schedule {
		s := schedule{
			Seed:      rapid.Uint64().Draw(t, "seed"),
			Instances: rapid.IntRange(2, 3).Draw(t, "instances"),
			Clients:   rapid.IntRange(2, 5).Draw(t, "clients"),
			Topics:    rapid.IntRange(1, 3).Draw(t, "topics"),
			Tight:     rapid.Bool().Draw(t, "tight"),
		}
		drawn := []kind{publishOne, publishOne, publishOne, advance, advance, advance, advance}
		for _, k := range left {
			if rapid.Bool().Draw(t, string(k)) {
				drawn = append(drawn, k)
			}
		}
		one := rapid.Custom(func(t *rapid.T) step {
			k := drawn[number.Draw(t, "kind")%len(drawn)]
			return step{k, number.Draw(t, "a") % 64, number.Draw(t, "b") % 64, number.Draw(t, "c") % 64}
		})
		for range maxSteps / part { // each part may become empty when a schedule is made smaller
			s.Steps = append(s.Steps, rapid.SliceOfN(one, 0, part).Draw(t, "steps")...)
		}
		s.Presence = number.Draw(t, "presence")%16 == 15
		if s.States = states[number.Draw(t, "states")%len(states)]; without != "" {
			s.States = 0 // keys end by what the check finds
		}
		if s.States > 0 {
			drawStates(t, &s)
		}
		return s
	})
}

// states are how many a schedule may have.
var states = []int{0, 0, 0, 0, 0, 1, 1, 1, 2}

// drawStates puts what is about states between the other steps. It is drawn last, so that
// schedules without states are what they would be if there were none.
func drawStates(t *rapid.T, s *schedule) {
	one := rapid.Custom(func(t *rapid.T) step {
		k := stateKinds[number.Draw(t, "kind")%len(stateKinds)]
		return step{k, number.Draw(t, "a") % 64, number.Draw(t, "b") % 64, number.Draw(t, "c") % 64}
	})
	for range maxSteps / part {
		for _, step := range rapid.SliceOfN(one, 0, part).Draw(t, "changes") {
			s.Steps = slices.Insert(s.Steps, number.Draw(t, "where")%(len(s.Steps)+1), step)
		}
	}
}

// number is from so wide a range that rapid, which prefers small ones, isn't partial
// to the first of a list.
var number = rapid.IntRange(0, 1<<16)

// String writes the schedule as Go, to be kept as a regression case.
func (s schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{Seed: %#x, Instances: %d, Clients: %d, Topics: %d, Tight: %v, States: %d, Presence: %v, Steps: []step{\n", s.Seed, s.Instances, s.Clients, s.Topics, s.Tight, s.States, s.Presence)
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "\t{%q, %d, %d, %d},\n", step.Kind, step.A, step.B, step.C)
	}
	b.WriteString("}}")
	return b.String()
}

// advances are how long a step may wait.
var advances = []time.Duration{
	0, time.Millisecond, time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond, 300 * time.Millisecond, time.Second,
	2 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 40 * time.Second,
}

// take carries a step out.
func (w *world) take(s step) {
	w.logf("STEP %s %d %d %d", s.Kind, s.A, s.B, s.C)
	w.count("step "+string(s.Kind), 1)
	topic, client := w.topics[s.A%len(w.topics)], w.clients[s.A%len(w.clients)]
	all := w.all()
	switch s.Kind {
	case publishOne:
		w.publish(s.B, topic, s.C%3 == 1, s.C%5 == 1)
	case publishMany:
		for range s.C%20 + 1 {
			w.publish(s.B, topic, false, false)
		}
	case retryOne:
		w.retry(s.A, s.B)
	case advance:
		time.Sleep(advances[s.A%len(advances)])
	case cut:
		client.cut(s.B)
	case stall:
		client.stall()
	case heal:
		w.heal()
	case hop:
		client.leave(func() {
			client.next, client.sse = s.B/2, s.B%2 == 1
			if (client.recent > 0 || len(client.states) > 0) && s.C%2 == 1 {
				client.reload()
			}
		})
	case rewind:
		client.leave(func() { client.rewind(s.B % 12) })
	case revoke, allow:
		topic := ""
		if s.C%3 == 1 {
			topic = client.places[s.C%len(client.places)].topic
		}
		w.decide(w.instance(s.B), client, topic, s.Kind == revoke)
	case forge:
		client.leave(func() { client.forge(s.B, s.C) })
	case storm:
		for i, c := range w.clients {
			c.leave(func() {
				c.next = s.A * i
				c.rewind(s.B * i % 8)
			})
		}
	case resubscribe:
		client.resubscribe(all[s.B%len(all)])
	case restart:
		old := w.replace(s.A)
		w.work.Go(func() { w.shutDown(old) })
	case kill:
		w.abandon(w.replace(s.A))
	case changeOne, changeMany, contend, slow, flood:
		w.takeOfState(s)
	default:
		w.spoil(s, all[s.A%len(all)])
	}
}

// floodLeast is how many large values a flood has, at least. There are fewer keys, so a slow
// reader gets less.
const floodLeast = 2 * stateKeys

// takeOfState carries out a step that is about states.
func (w *world) takeOfState(s step) {
	topic := w.states[s.A%len(w.states)]
	switch s.Kind { //nolint:exhaustive // the others are about logs
	case changeOne:
		w.change(s.B, w.drawnChange(topic, s), s.C%5 == 1)
	case changeMany:
		for i := range s.C%20 + 1 {
			w.change(s.B, w.drawnChange(topic, step{s.Kind, s.A + 2*i, s.B, s.C + i}), false)
		}
	case contend:
		w.contend(topic, s)
	case slow:
		w.clients[s.A%len(w.clients)].slowDown()
	case flood:
		w.clients[s.A%len(w.clients)].slowDown()
		for i := range floodLeast + s.C%floodLeast {
			w.change(s.B+i, push.Message{Topic: topic, Key: fmt.Sprint("key", (s.A/2+i)%stateKeys), Op: broker.OpSet, Data: large}, false)
		}
	}
}

// spoil does to the store what a step says.
func (w *world) spoil(s step, topic string) {
	r, n := w.store, w.instance(s.A)
	goesOn := false
	switch s.Kind {
	case lose: // what is lost disturbs, when it is
		r.eachSubscriber(n, func(c *Subscriber) { c.lose = s.B%3 + 1 })
		return
	case killSubscriber:
		r.eachSubscriber(n, (*Subscriber).breakOff)
	case silenceSubscriber:
		r.eachSubscriber(n, func(c *Subscriber) { c.silent = true })
	case promote:
		r.promote(s.A%12, s.B%3 == 1)
	case flush:
		r.flush()
	case save:
		r.save()
		return
	case restore:
		if !r.restore() {
			return
		}
	case evict:
		r.Evict(topic, s.B%3 == 0, s.B%5)
	case evictKeys:
		r.EvictKeys(topic, s.B%2 == 0)
	default:
		goesOn = r.suffer(s)
		if !goesOn {
			return
		}
	}
	w.disturbed(goesOn)
}

// suffer begins what goes on until it is healed, or what the next calls meet.
func (s *Store) suffer(st step) (goesOn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.faults
	switch st.Kind {
	case freeze:
		if f.thawed == nil {
			f.thawed = make(chan struct{})
		}
	case delay:
		f.delay = time.Duration(st.A+1) * 10 * time.Millisecond
	case lag:
		f.behind = true
	case failBefore:
		f.before, f.reads = st.A%4+1, st.B%2 == 1
		return false
	case failAfter:
		f.after, f.reads = st.A%4+1, st.B%2 == 1
		return false
	default:
		panic("no such step: " + st.Kind)
	}
	return true
}

// eachSubscriber does something to the connections of an instance.
func (s *Store) eachSubscriber(n *instance, do func(*Subscriber)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.subscribers {
		if c.port == n.port {
			do(c)
		}
	}
}
