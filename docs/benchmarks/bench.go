package main

import (
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"time"
)

// bench is a run: which rows, which servers, how often.
type bench struct {
	*workshop
	quick   bool
	rows    []string // empty: all
	servers []string // empty: all
	repeats int
	budget  time.Duration
}

// run measures everything once, then all over again: what changes on the machine meets all of them alike. Each
// measurement is given to keep at once.
func (b *bench) run(keep func(measurement) error) error {
	begin := time.Now()
	for repeat := range b.repeats {
		for i := range rows {
			if repeat > 0 && time.Since(begin) > b.budget {
				log.Printf("the time is over in repeat %d", repeat)
				return nil
			}
			if most := rows[i].most; most > 0 && (repeat >= most || repeat > 0 && b.quick) {
				continue
			}
			for _, m := range b.plan(&rows[i]) {
				m.Repeat = repeat
				f, err := rows[i].measure(b, m.server, m.Wire, m.Size)
				m.Figures = f
				if err != nil {
					m.Error = err.Error()
				}
				log.Print(m)
				if err := keep(m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// plan is what is measured for a row: on each wire and at each size all servers, one after the other.
func (b *bench) plan(r *row) (plan []measurement) {
	if !chosen(b.rows, r.name) {
		return nil
	}
	sizes := r.sizes
	if b.quick {
		sizes = r.quick
	}
	for _, on := range []wire{ws, sse} {
		if r.wires != nil && !slices.Contains(r.wires, on) {
			continue
		}
		for _, size := range sizes {
			for i := range servers {
				s := &servers[i]
				if r.asked(s) && chosen(b.servers, s.name) && slices.Contains(s.wires, on) {
					plan = append(plan, measurement{Row: r.name, Wire: on, Size: size, Server: s.name, server: s})
				}
			}
		}
	}
	return plan
}

func chosen(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// measurement is one server's answer to one row.
type measurement struct {
	Row     string  `json:"row"`
	Wire    wire    `json:"wire"`
	Size    int     `json:"size"`
	Server  string  `json:"server"`
	Repeat  int     `json:"repeat"`
	Figures figures `json:"figures,omitempty"`
	Error   string  `json:"error,omitempty"`

	server *server
}

// String is one line for the terminal.
func (m measurement) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s %d %s:", m.Repeat, m.Row, m.Wire, m.Size, m.Server)
	for _, name := range slices.Sorted(maps.Keys(m.Figures)) {
		fmt.Fprintf(&b, " %s %.4g", name, m.Figures[name])
	}
	if m.Error != "" {
		b.WriteString(" FAILED: " + m.Error)
	}
	return b.String()
}
