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
	}, "client", "rate", "bytes", "p50", "p99", "max")
}

// TestIdle doesn't ask what a connect costs: some systems count another process's time in
// ticks, in which so few clients may be free.
func TestIdle(t *testing.T) {
	w := open(t)
	forAll(t, func(s *server, c setup) (figures, error) { return w.idle(s, c, 0) }, "rss")
}

func TestTidewire(t *testing.T) {
	w := open(t)
	s := named(t, ours)
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

// named is a server by its name.
func named(t *testing.T, name string) *server {
	t.Helper()
	i := slices.IndexFunc(servers, func(s server) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("no server %s", name)
	}
	return &servers[i]
}

// TestBytes has servers that add a known number of bytes to each payload.
func TestBytes(t *testing.T) {
	const frame, event, record = 4, len("data: \n\n"), 5 + 1 + 16 // the last is of TLS 1.3 with AES-GCM or ChaCha20
	w := open(t)
	for name, c := range map[string]struct {
		server string
		setup  setup
		want   int
	}{
		"a WebSocket":      {"floor", setup{on: ws}, frame},
		"an event stream":  {"floor", setup{on: sse}, event},
		"a WebSocket, TLS": {"gorilla", setup{on: ws, over: fleet.TLS}, frame + record},
	} {
		t.Run(name, func(t *testing.T) {
			c.setup.clients = few
			f, err := w.fanout(named(t, c.server), c.setup, load{window: 1, count: 20})
			if err != nil {
				t.Fatal(err)
			}
			if f["bytes"] != float64(payloadSize+c.want) {
				t.Errorf("%g bytes instead of %d", f["bytes"], payloadSize+c.want)
			}
		})
	}
}

// TestRelay needs a redis-server. What its CPU is isn't asked, as in TestIdle.
func TestRelay(t *testing.T) {
	w := open(t)
	row := rows[slices.IndexFunc(rows, func(r row) bool { return r.name == "redis" })]
	for _, name := range row.servers {
		for _, on := range []wire{ws, sse} {
			t.Run(name+"/"+string(on), func(t *testing.T) {
				f, err := w.relay(named(t, name), on, 5, load{window: 20, count: 100})
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := f["redis"]; !ok || f["messages"] <= 0 || f["bytes"] < payloadSize {
					t.Errorf("got %v", f)
				}
			})
		}
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
