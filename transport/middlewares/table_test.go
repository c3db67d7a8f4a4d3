package middlewares

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/internal/doctor"
)

var update = flag.Bool("update", false, "write the table into docs/middleware.md")

const (
	page  = "../../docs/middleware.md"
	begin = "<!-- The table is made by: go -C transport/middlewares test -update -->\n"
	end   = "<!-- The end of the table -->\n"
)

// routes are the columns. WebSockets need HTTP/1.1.
var routes = []struct {
	name string
	look func(s *setup) outcome
}{
	{"`ws`", (*setup).ws},
	{"`sse` HTTP/1.1", func(s *setup) outcome { return s.sse(1) }},
	{"`sse` HTTP/2", func(s *setup) outcome { return s.sse(2) }},
	{"`poll`", both((*setup).poll)},
	{"`send`", both((*setup).send)},
	{"`publish`", both((*setup).publishRoute)},
	{"`refresh`", both((*setup).refresh)},
	{"`ticket`", both((*setup).ticket)},
	{"`client.mjs`", both((*setup).client)},
}

// both looks over both versions of HTTP, which have one outcome.
func both(look func(*setup, int) outcome) func(*setup) outcome {
	return func(s *setup) outcome {
		one, two := look(s, 1), look(s, 2)
		if one != two {
			s.Errorf("over HTTP/1.1 it %s, over HTTP/2 it %s", one, two)
		}
		return one
	}
}

// TestMiddlewareTable puts each middleware above each route, and compares what clients see, and
// what the log says, with the table in docs/middleware.md.
func TestMiddlewareTable(t *testing.T) {
	groups := append([]group{{"`go-chi/chi/middleware`", chis()}}, others()...)
	lines := map[string]string{}
	var mu sync.Mutex
	t.Run("rows", func(t *testing.T) {
		for _, g := range groups {
			for _, r := range g.rows {
				t.Run(g.name+" "+r.name, func(t *testing.T) {
					t.Parallel()
					line := look(t, r)
					mu.Lock()
					defer mu.Unlock()
					lines[g.name+r.name] = line
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	var table strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&table, "\n### %s\n\n| |", g.name)
		for _, route := range routes {
			fmt.Fprintf(&table, " %s |", route.name)
		}
		table.WriteString(" said |\n|" + strings.Repeat(" --- |", len(routes)+2) + "\n")
		for _, r := range g.rows {
			table.WriteString(lines[g.name+r.name])
		}
	}
	compare(t, table.String()+"\n")
}

// look returns a row of the table.
func look(t *testing.T, r row) string {
	s := start(t, r)
	outcomes := make([]outcome, len(routes))
	t.Run("routes", func(t *testing.T) {
		for i, route := range routes {
			t.Run(route.name, func(t *testing.T) {
				t.Parallel()
				of := *s
				of.T = t
				outcomes[i] = route.look(&of)
			})
		}
	})
	said := s.said()
	line := "| " + r.name + " |"
	for _, o := range outcomes {
		line += " " + string(o) + " |"
	}
	if slices.Contains(outcomes, refused) && len(said) == 0 {
		t.Errorf("a route is refused, and the log has no line: %s", s.log)
	}
	return line + " " + strings.Join(said, ", ") + " |\n"
}

// said returns what was logged: the numbers of the doctor's lines in docs/middleware.md, each of
// which is there once for a route, and the codes of other refusals.
func (s *setup) said() (said []string) {
	s.Helper()
	numbers := map[int]bool{}
	seen := map[[2]string]bool{}
	for d := json.NewDecoder(strings.NewReader(s.log.String())); d.More(); {
		var line struct{ Level, Msg, Route, Code, Hint string }
		if err := d.Decode(&line); err != nil {
			s.Fatal(err)
		}
		if line.Msg == "push: refused" {
			said = append(said, "`"+string(push.Code(line.Code))+"`")
			continue
		}
		if key := [2]string{line.Msg, line.Route}; seen[key] || line.Level != "WARN" {
			s.Errorf("said %q of %q at level %s, or twice", line.Msg, line.Route, line.Level)
		} else {
			seen[key] = true
		}
		i := slices.IndexFunc(lines(), func(c doctor.Check) bool { return "push: "+c.What == line.Msg })
		if i < 0 || lines()[i].Hint != line.Hint {
			s.Errorf("said %q, %q", line.Msg, line.Hint)
			continue
		}
		numbers[i] = true
	}
	if n := len(s.hub.Health(s.requests).Warnings); n != len(seen) {
		s.Errorf("%d warnings are kept of %d lines", n, len(seen))
	}
	slices.Sort(said)
	said = slices.Compact(said)
	for _, i := range slices.Sorted(maps.Keys(numbers)) {
		said = append(said, fmt.Sprintf("[%d](#%d-%s)", i+1, i+1, anchor(lines()[i].Name)))
	}
	return said
}

// lines are the checks that say something.
func lines() []doctor.Check {
	return slices.DeleteFunc(slices.Clone(doctor.Checks), func(c doctor.Check) bool { return c.What == "" })
}

// anchor is how a heading is linked to.
func anchor(heading string) string {
	heading = strings.ReplaceAll(strings.ToLower(heading), " ", "-")
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(".'`", r) {
			return -1
		}
		return r
	}, heading)
}

func compare(t *testing.T, table string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", page)
	}
	if old == table {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date; run: go -C transport/middlewares test -update\nnow:%s", page, table)
	}
	if err := os.WriteFile(page, []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPageHasEachLine: docs/middleware.md quotes the line of each check, and what to do.
func TestPageHasEachLine(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range lines() {
		heading := fmt.Sprintf("\n### %d. %s\n", i+1, c.Name)
		_, section, ok := strings.Cut(string(text), heading)
		section, _, _ = strings.Cut(section, "\n### ")
		if !ok {
			t.Errorf("%s has no heading %q", page, heading)
		}
		if flat := strings.Join(strings.Fields(strings.ReplaceAll(section, "\n> ", "\n")), " "); !strings.Contains(flat, c.What) || !strings.Contains(flat, c.Hint) {
			t.Errorf("%s doesn't quote %q and %q under %q", page, c.What, c.Hint, heading)
		}
	}
}
