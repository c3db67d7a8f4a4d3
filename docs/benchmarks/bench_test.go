package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/docs/benchmarks/fleet"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func open(t *testing.T) *workshop {
	t.Helper()
	w, err := newWorkshop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

const few = 20

// forAll runs a measurement with few clients on every server that needs nothing but Go and a C compiler.
func forAll(t *testing.T, measure func(s *server, c setup) (figures, error), wanted ...string) {
	for i := range servers {
		s := &servers[i]
		if s.program == "node" || s.program == "nginx" {
			continue
		}
		for _, on := range s.wires {
			t.Run(s.name+"/"+string(on), func(t *testing.T) {
				f, err := measure(s, setup{on: on, clients: few})
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range wanted {
					if f[name] <= 0 {
						t.Errorf("%s is %g", name, f[name])
					}
				}
			})
		}
	}
}

func TestFanout(t *testing.T) {
	w := open(t)
	forAll(t, func(s *server, c setup) (figures, error) {
		return w.fanout(s, c, load{window: 3, count: 30})
	}, "client", "rate", "p50", "p99", "max")
}

// TestIdle doesn't ask what a connect costs: some systems count another process's time in
// ticks, in which so few clients may be free.
func TestIdle(t *testing.T) {
	w := open(t)
	forAll(t, func(s *server, c setup) (figures, error) { return w.idle(s, c, 0) }, "rss")
}

func TestTidewire(t *testing.T) {
	w := open(t)
	s := &servers[slices.IndexFunc(servers, func(s server) bool { return s.name == ours })]
	short := load{window: 2, count: 20}
	for name, measure := range map[string]func() (figures, error){
		"resume ws":  func() (figures, error) { return w.resume(s, setup{on: ws, clients: few}, 20) },
		"resume sse": func() (figures, error) { return w.resume(s, setup{on: sse, clients: few}, 20) },
		"subscriptions": func() (figures, error) {
			return w.subscriptions(s, setup{on: ws, clients: few, topics: 10, follows: 5}, 0)
		},
		"topics": func() (figures, error) { return w.fanout(s, setup{on: ws, clients: few, topics: 7}, short) },
		"wss":    func() (figures, error) { return w.fanout(s, setup{on: ws, clients: few, over: fleet.TLS}, short) },
		"https":  func() (figures, error) { return w.fanout(s, setup{on: sse, clients: few, over: fleet.TLS}, short) },
		"HTTP/2": func() (figures, error) { return w.fanout(s, setup{on: sse, clients: few, over: fleet.HTTP2}, short) },
	} {
		t.Run(name, func(t *testing.T) {
			f, err := measure()
			if err != nil {
				t.Fatal(err)
			}
			if f["lost"] > 0 || f["doubled"] > 0 {
				t.Errorf("%g lost, %g doubled", f["lost"], f["doubled"])
			}
		})
	}
}

func TestDeflate(t *testing.T) {
	w := open(t)
	for i := range servers {
		if s := &servers[i]; slices.Contains(deflating, s.name) {
			t.Run(s.name, func(t *testing.T) {
				if _, err := w.fanout(s, setup{on: ws, clients: few, deflate: true}, load{window: 2, count: 20}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// TestPlan has every row put to a server, and every name in a row known.
func TestPlan(t *testing.T) {
	for i := range rows {
		if len((&bench{}).plan(&rows[i])) == 0 {
			t.Errorf("%s is put to nobody", rows[i].name)
		}
		for _, name := range rows[i].servers {
			if !slices.ContainsFunc(servers, func(s server) bool { return s.name == name }) {
				t.Errorf("%s names %s, which isn't there", rows[i].name, name)
			}
		}
	}
	b := &bench{quick: true, rows: []string{"w1"}, servers: []string{"floor", ours}}
	if plan := b.plan(&rows[0]); len(plan) != 4 {
		t.Errorf("%d measurements instead of two servers on two wires", len(plan))
	}
}

func TestPageIsComplete(t *testing.T) {
	page := read("README.md")
	names := []string{"machine", "targets"}
	for _, r := range rows {
		names = append(names, r.name)
	}
	for _, name := range names {
		if !strings.Contains(page, "<!-- "+name+" -->\n") {
			t.Errorf("no place for %s", name)
		}
	}
}
