package main

import (
	"fmt"
	"strings"
)

// column is one figure in the tables.
type column struct{ figure, title string }

var columns = []column{
	{"messages", "messages a second"},
	{"cpu", "CPU, µs a delivery"},
	{"redis", "CPU of Redis, µs a publication"},
	{"bytes", "bytes a delivery on the wire"},
	{"p50", "p50, ms"},
	{"p99", "p99, ms"},
	{"max", "max, ms"},
	{"publish", "a publish, µs"},
	{"connect", "CPU, µs a connect"},
	{"connect-s", "all connected, s"},
	{"whole-s", "all whole, s"},
	{"lost", "lost"},
	{"doubled", "doubled"},
	{"idle", "kB a client"},
	{"rss", "RSS, MB"},
	{"topic", "B a subscription"},
}

// relative are the figures that are also shown as a multiple of the floor's.
var relative = map[string]bool{"cpu": true, "connect": true}

// unitOf is what a figure is called.
func unitOf(figure string) string {
	for _, c := range columns {
		if c.figure == figure {
			return c.title
		}
	}
	return figure
}

// table shows one row on one wire.
func (r *results) table(row string, on wire) string {
	type place struct {
		size   int
		server string
	}
	var places []place
	seen := map[place]bool{}
	has := map[string]bool{}
	for _, m := range r.Measurements {
		if m.Row != row || m.Wire != on {
			continue
		}
		if p := (place{m.Size, m.Server}); !seen[p] {
			seen[p] = true
			places = append(places, p)
		}
		for name := range m.Figures {
			has[name] = true
		}
	}
	if len(places) == 0 {
		return ""
	}
	head, rule := "| server | n |", "| --- | ---: |"
	for _, c := range columns {
		if has[c.figure] {
			head += " " + c.title + " |"
			rule += " ---: |"
			if relative[c.figure] {
				head += " × floor |"
				rule += " ---: |"
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", head, rule)
	for _, p := range places {
		fmt.Fprintf(&b, "| %s | %d |", p.server, p.size)
		for _, c := range columns {
			if !has[c.figure] {
				continue
			}
			fmt.Fprintf(&b, " %s |", r.figure(row, on, p.size, p.server, c.figure))
			if relative[c.figure] {
				ratio := r.ratio(row, on, p.size, p.server, "floor", c.figure)
				ratio.low, ratio.high = ratio.median, ratio.median // the figure itself shows the noise
				fmt.Fprintf(&b, " %s |", ratio)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
