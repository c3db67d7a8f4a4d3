package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/tidewire/tidewire/broker/faults/mirror"
)

// report is what a run has to tell.
type report struct {
	config  config
	world   *world
	verdict verdict
	states  mirror.Figures // that clients were told, together
	left    error          // goroutines that didn't end

	mu    sync.Mutex // guards the rest
	tally []*tally
}

// tally counts one kind of fault.
type tally struct {
	fault *fault
	fired int
	whole time.Duration // the longest time until all clients were whole again
	open  int           // periods at whose end they weren't yet
}

func newReport(c config, w *world) *report {
	r := &report{config: c, world: w}
	for _, f := range faults(c.only) {
		r.tally = append(r.tally, &tally{fault: f})
	}
	return r
}

func (r *report) kinds() []*fault {
	var kinds []*fault
	for _, t := range r.tally {
		kinds = append(kinds, t.fault)
	}
	return kinds
}

func (r *report) of(f *fault) *tally {
	for _, t := range r.tally {
		if t.fault == f {
			return t
		}
	}
	return nil
}

func (r *report) fired(f *fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(f).fired++
}

// measured notes how long clients took after the faults of a period.
func (r *report) measured(drawn []*fault, whole time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range drawn {
		t := r.of(f)
		if whole == never {
			t.open++
		} else {
			t.whole = max(t.whole, whole)
		}
	}
}

// allKindsWithin is how long a run must last for each kind of fault to be sure to come up.
const allKindsWithin = 5 * time.Minute

// failures tells what is wrong; nothing if the run has passed.
func (r *report) failures() []string {
	var failures []string
	for _, kind := range []violationKind{lost, duplicated, disordered, mistold, misled, trespassed, broken} {
		if n := r.world.found.count(kind); n > 0 {
			failures = append(failures, fmt.Sprintf("%d violations: %s", n, kind))
		}
	}
	for _, t := range r.tally {
		if t.fired == 0 && r.config.lasts >= allKindsWithin {
			failures = append(failures, t.fault.name+" never fired")
		}
	}
	if r.left != nil {
		failures = append(failures, r.left.Error())
	}
	return failures
}

// print prints the tables, and what went wrong with whom.
func (r *report) print(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	c := r.config
	fmt.Fprintf(out, "\nseed %d: %v, %d WebSocket and %d event stream clients, %d instances, %d publishers, %d topics, %d states\nclients of Redis: %s\n\n",
		c.seed, c.lasts, c.webSockets, c.eventStreams, instances, c.publishers, c.topics, c.states, strings.Join(kinds, ", "))
	fmt.Fprintf(table, "fault\tfired\tall clients whole after it, and its company, within\n")
	for _, t := range r.tally {
		fmt.Fprintf(table, "%s\t%d\t%s\n", t.fault.name, t.fired, t.within())
	}
	fmt.Fprintln(table)
	for _, row := range r.rows() {
		fmt.Fprintf(table, "%s\t%d\n", row.name, row.count)
	}
	table.Flush()
	r.explain(out)
}

func (t *tally) within() string {
	switch {
	case t.fired == 0:
		return ""
	case t.open == 0:
		return t.whole.Round(pollInterval).String()
	default:
		return fmt.Sprintf("%v; %d times not before the next period", t.whole.Round(pollInterval), t.open)
	}
}

type row struct {
	name  string
	count int
}

func (r *report) rows() []row {
	v := r.verdict
	rows := []row{
		{"messages acknowledged", v.acknowledged},
		{"messages refused", v.refused},
		{"publishes of unknown outcome", v.unknown},
		{"  of which were stored", v.appeared},
		{"stored anew by a retry, after their history was lost", v.restored},
		{"lost by Redis before any client got them, told by a gap", v.vanished},
		{"delivered to clients", v.delivered},
		{"missed by clients, told by a gap", v.covered},
		{"lost in silence", v.lost},
		{"duplicated", r.world.found.count(duplicated)},
	}
	connections, silent, refusals, gaps := 0, 0, 0, 0
	for _, c := range r.world.clients {
		connections += c.counts.connections
		silent += c.counts.silent
		refusals += c.counts.refusals
		for _, view := range c.views {
			gaps += view.gapped
		}
	}
	return append(rows,
		row{"gaps told", gaps},
		row{"changes of states", int(r.world.ledger.stateChanges.Load())},
		row{"  told to clients: sets", r.states.Sets},
		row{"  appends", r.states.Appends},
		row{"  deletes", r.states.Deletes},
		row{"  snapshots for clients that came without a cursor", r.states.Snapshots},
		row{"  resets", r.states.Resets},
		row{"forged cursors, told by a gap", int(r.world.forged.Load())},
		row{"connections of clients", connections},
		row{"  ended by the client, which heard nothing", silent},
		row{"  topics refused for a while", refusals})
}

const (
	// shownViolations and shownTimelines bound what is printed of them.
	shownViolations = 20
	shownTimelines  = 3
)

// explain shows the first violations, and the timelines of their clients.
func (r *report) explain(out io.Writer) {
	failures := r.failures()
	if len(failures) == 0 {
		fmt.Fprintln(out, "\npassed")
		return
	}
	fmt.Fprintf(out, "\nFAILED with seed %d: %s\n", r.config.seed, strings.Join(failures, ", "))
	shown := map[string]bool{}
	for i, v := range r.world.found.list() {
		if i < shownViolations {
			fmt.Fprintf(out, "%s %s: client %d, topic %s: %s\n", v.at.Format(clock), v.kind, v.client, v.topic, v.text)
		}
		name := fmt.Sprint(v.client, v.topic)
		if v.client != noClient && len(shown) < shownTimelines && !shown[name] {
			shown[name] = true
			defer fmt.Fprint(out, "\n", r.world.clients[v.client].timeline(v.topic))
		}
	}
}
