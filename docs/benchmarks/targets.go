package main

import (
	"fmt"
	"slices"
	"strings"
)

// target is what Tidewire holds itself to: a ratio of two figures that were measured in one run.
type target struct {
	name string
	most [2]float64 // on a WebSocket and on an event stream; zero: it is only shown
	get  func(r *results, on wire) spread
}

const ours = "tidewire"

var targets = []target{
	{"one in flight to 1,000 clients: CPU a delivery, × floor", [2]float64{1.35, 1.4}, func(r *results, on wire) spread {
		return r.ratio("w1", on, 1000, ours, "floor", "cpu")
	}},
	{"eight in flight to 5,000 clients: CPU a delivery, × floor", [2]float64{.5, .5}, func(r *results, on wire) spread {
		return r.ratio("w8", on, 5000, ours, "floor", "cpu")
	}},
	{"… × the best other server in Go", [2]float64{.4, .4}, func(r *results, on wire) spread {
		return r.ratio("w8", on, 5000, ours, r.best("w8", on, 5000, "cpu"), "cpu")
	}},
	{"10 publications a second to 1,000 clients: p99, × gorilla", [2]float64{1, 0}, func(r *results, on wire) spread {
		return r.ratio("steady", on, 1000, ours, "gorilla", "p99")
	}},
	{"CPU a connect with subscribe, × floor", [2]float64{}, func(r *results, on wire) spread {
		return r.ratio("idle", on, 10_000, ours, "floor", "connect")
	}},
	{"CPU a delivery to 16,000 clients, × to 1,000", [2]float64{}, func(r *results, on wire) spread {
		return r.growth("clients", on, 16_000, 1000, ours, "cpu")
	}},
	{"… for the floor", [2]float64{}, func(r *results, on wire) spread {
		return r.growth("clients", on, 16_000, 1000, "floor", "cpu")
	}},
	{"the hub on gobwas/ws, one in flight: CPU a delivery, × on our own", [2]float64{}, func(r *results, on wire) spread {
		return r.ratio("w1", on, 1000, "tidewire-gobwas", ours, "cpu")
	}},
	{"… eight in flight", [2]float64{}, func(r *results, on wire) spread {
		return r.ratio("w8", on, 5000, "tidewire-gobwas", ours, "cpu")
	}},
}

// best names the server in Go, other than ours, with the smallest figure.
func (r *results) best(row string, on wire, size int, figure string) string {
	name, least := "", 0.
	for _, s := range servers {
		if s.program != "" || strings.HasPrefix(s.name, ours) || !slices.Contains(s.wires, on) {
			continue
		}
		if f := r.figure(row, on, size, s.name, figure).median; f > 0 && (name == "" || f < least) {
			name, least = s.name, f
		}
	}
	return name
}

// targetTable shows them all.
func (r *results) targetTable() string {
	var b strings.Builder
	b.WriteString("| ratio | WebSocket | event stream |\n| --- | ---: | ---: |\n")
	for _, t := range targets {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", t.name, t.cell(r, ws, t.most[0]), t.cell(r, sse, t.most[1]))
	}
	return b.String()
}

func (t *target) cell(r *results, on wire, most float64) string {
	got := t.get(r, on)
	text := got.String()
	if got.n > 0 && most > 0 {
		text += fmt.Sprintf(", aim: at most %g", most)
		if got.median > most {
			text = "**missed:** " + text
		}
	}
	return text
}
