package main

import (
	"slices"
	"time"

	"github.com/tidewire/tidewire/docs/benchmarks/fleet"
)

// row is one question, put to some servers on each wire, and for each size n.
type row struct {
	name    string
	servers []string // nil: all
	wires   []wire   // nil: all
	sizes   []int    // what n is depends on the row
	quick   []int    // the sizes for a quick run; none: it isn't part of one
	most    int      // how often it is measured at most; zero: as often as all
	plots   []plot
	measure func(b *bench, s *server, on wire, n int) (figures, error)
}

// measured is the time for which a load goes on.
const measured = 2 * time.Second

// rows are all, in the order in which they are measured and shown.
var rows = []row{
	{
		name: "w1", sizes: []int{1000}, quick: []int{1000},
		plots: []plot{{"cpu", bars}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.fanout(s, setup{on: on, clients: n}, load{window: 1, time: measured})
		},
	},
	{
		name: "w8", sizes: []int{5000}, quick: []int{5000},
		plots: []plot{{"cpu", bars}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.fanout(s, setup{on: on, clients: n}, load{window: 8, time: measured})
		},
	},
	{
		name: "steady", sizes: []int{1000}, quick: []int{1000},
		plots: []plot{{"p99", bars}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.fanout(s, setup{on: on, clients: n}, load{window: 100, every: 100 * time.Millisecond, time: 5 * time.Second})
		},
	},
	{
		name: "idle", sizes: []int{10_000}, quick: []int{10_000},
		plots: []plot{{"idle", bars}, {"connect", bars}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.idle(s, setup{on: on, clients: n}, afterClients)
		},
	},
	{
		name: "subscriptions", most: 2, servers: []string{"tidewire"}, wires: []wire{ws}, sizes: []int{10_000}, quick: []int{10_000},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.subscriptions(s, setup{on: on, clients: n, topics: 1000, follows: 100}, afterClients)
		},
	},
	{
		name: "resume", most: 2, servers: []string{"tidewire"}, sizes: []int{10_000}, quick: []int{10_000},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.resume(s, setup{on: on, clients: n}, 20)
		},
	},
	{
		name: "clients", most: 2, servers: []string{"floor", "tidewire", "gorilla", "gws", "flusher"},
		sizes: []int{100, 1000, 4000, 16_000}, quick: []int{1000, 16_000},
		plots: []plot{{"cpu", curves}, {"publish", curves}, {"idle", curves}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.whole(s, setup{on: on, clients: n}, load{window: 1, time: measured})
		},
	},
	{
		name: "topics", most: 2, servers: []string{"tidewire"}, sizes: []int{1, 100, 10_000},
		plots: []plot{{"cpu", curves}, {"idle", curves}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			// With one in flight for each topic, each client awaits one.
			return b.whole(s, setup{on: on, clients: 10_000, topics: n}, load{window: n, time: measured})
		},
	},
	{
		name: "hubs", most: 2, servers: []string{"tidewire"}, sizes: []int{1, 2, 4},
		plots: []plot{{"cpu", curves}, {"publish", curves}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.sharing(s, setup{on: on, clients: 4000, hubs: n}, func(s *server, c setup) (figures, error) {
				return b.whole(s, c, load{window: 1, time: measured})
			})
		},
	},
	{
		name: "redis", most: 3, servers: []string{"tidewire", "centrifuge"}, sizes: []int{1, 100, 1000},
		plots: []plot{{"messages", curves}, {"cpu", curves}, {"redis", curves}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.relay(s, on, n, load{window: 8 * n, time: measured})
		},
	},
	{
		name: "tls", most: 2, sizes: []int{500}, servers: overTLS,
		plots: []plot{{"cpu", bars}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.whole(s, setup{on: on, clients: n, over: fleet.TLS}, load{window: 1, time: measured})
		},
	},
	{
		name: "h2", most: 2, sizes: []int{500}, servers: overTLS, wires: []wire{sse},
		plots: []plot{{"cpu", bars}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.whole(s, setup{on: on, clients: n, over: fleet.HTTP2}, load{window: 1, time: measured})
		},
	},
	{
		name: "deflate", most: 2, sizes: []int{500}, wires: []wire{ws}, servers: deflating,
		plots: []plot{{"cpu", bars}},
		measure: func(b *bench, s *server, on wire, n int) (figures, error) {
			return b.whole(s, setup{on: on, clients: n, deflate: true}, load{window: 1, time: measured})
		},
	},
}

// overTLS are the servers that serve TLS themselves.
var overTLS = []string{"tidewire", "gorilla", "coder", "gws", "melody", "go-sse", "r3labs", "flusher", "centrifuge", "mercure"}

// deflating are the servers that compress messages if they are asked to.
var deflating = []string{"tidewire", "tidewire-conn", "gorilla", "coder", "gws", "melody", "centrifuge"}

// whole measures deliveries, and in a full run memory and connecting as well.
func (b *bench) whole(s *server, c setup, l load) (figures, error) {
	f, err := b.fanout(s, c, l)
	if err != nil || b.quick {
		return f, err
	}
	settle := afterClients / 2
	if c.over != fleet.TCP {
		settle = afterClients + time.Second // a stream that is cut for a write that was in time shows here
	}
	held, err := b.idle(s, c, settle)
	if err != nil {
		return nil, err
	}
	f["idle"], f["connect"] = held["idle"], held["connect"]
	return f, nil
}

// asked reports whether a row is put to a server.
func (r *row) asked(s *server) bool { return r.servers == nil || slices.Contains(r.servers, s.name) }
