//clock:virtual

package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// world is a whole system: instances with their hubs and servers, clients on both
// transports, and one store, all on virtual time.
type world struct {
	// static
	store  *Store
	begun  time.Time
	seed   uint64
	topics []string // logs
	states []string
	// presence says that the members of logs are kept
	presence bool
	clients  []*simClient
	history  broker.History
	queue    broker.Limit
	replay   broker.Limit
	work     sync.WaitGroup // publishers and clients
	// decisions are calls of Revoke and Restore under way
	decisions sync.WaitGroup

	mu         sync.Mutex // guards the rest
	instances  []*instance
	started    int
	gone       []*instance
	attempts   []*attempt
	tries      int                   // at publishing
	touched    map[string][]touching // by topic and key
	violations []string
	log        []event
	calmAt     time.Time // when what was done to the system has healed; zero if it goes on
	tally      tally
}

// tally counts what has happened, to show that it does.
type tally map[string]int

func (t tally) add(other tally) {
	for what, n := range other {
		t[what] += n
	}
}

func (t tally) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "%9d %s\n", t[what], what)
	}
	return b.String()
}

func (w *world) count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally[what] += n
}

// instance is one instance: a hub with its broker and server.
type instance struct {
	name     string
	port     *Port
	broker   *follow.Broker
	hub      *push.Hub
	listener *simListener
	server   *http.Server
	acked    uint64 // messages; guarded by world.mu
}

type event struct {
	at     time.Duration
	format string
	args   []any
}

// usualDelay is the longest that one way to the store takes when all is well.
const usualDelay = 2 * time.Millisecond

func newWorld(s schedule) *world {
	w := &world{
		begun:   time.Now(),
		seed:    s.Seed,
		history: broker.History{Messages: 100},
		queue:   broker.Limit{Messages: 64, Bytes: 64 << 10},
		replay:  broker.Limit{Messages: 50},
		calmAt:  time.Now(),
		tally:   tally{"schedules": 1},
		touched: map[string][]touching{},
	}
	if s.Tight {
		w.history.Messages, w.queue.Messages, w.replay.Messages = 8, 12, 6
	}
	for i := range s.States {
		w.states = append(w.states, fmt.Sprintf("state/%d", i))
	}
	w.presence = s.Presence
	w.store = NewStore(s.Seed, Options{History: w.history, Topics: []push.TopicRule{
		{Pattern: "state/1", State: true, Interval: 300 * time.Millisecond, TTL: 20 * time.Second, MaxValue: maxValue},
		{Pattern: "state/{number}", State: true, MaxValue: maxValue},
	}})
	w.store.faults.delay, w.store.faults.lost = usualDelay, func() { w.disturbed(false) }
	for i := range s.Topics {
		w.topics = append(w.topics, fmt.Sprintf("topic/%d", i))
	}
	for range s.Instances {
		w.instances = append(w.instances, w.start())
	}
	for i := range s.Clients {
		c := w.newClient(i)
		w.clients = append(w.clients, c)
		w.work.Go(c.run)
	}
	return w
}

// all are the topics.
func (w *world) all() []string { return slices.Concat(w.topics, w.states) }

// newClient makes a client. If there are states every other one follows nothing else.
func (w *world) newClient(i int) *simClient {
	c := &simClient{
		world: w, name: fmt.Sprintf("client %d", i), turn: time.Duration(i), next: i, sse: i%2 == 1, stop: make(chan struct{}),
		views: map[string]*view{}, states: map[string]*stateView{}, rights: map[string]*right{},
		onlyStates: len(w.states) > 0 && i%4 > 1,
	}
	if i%2 == 1 {
		c.recent = 1 + int(w.seed>>(8*i))&15
	}
	for j, topic := range w.topics {
		if (i == 0 || (i+j)%3 > 0 || len(w.topics) == 1) && !c.onlyStates {
			v := &view{place: place{world: w, client: c, topic: topic}}
			c.topics, c.views[topic], c.places = append(c.topics, topic), v, append(c.places, &v.place)
		}
	}
	if c.onlyStates {
		c.recent = 0
	}
	for j, topic := range w.states {
		if c.onlyStates || (i+j)%3 > 0 {
			v := &stateView{place: place{world: w, client: c, topic: topic, state: true}, values: map[string]stateValue{}, told: map[string]uint64{}}
			c.states[topic], c.places = v, append(c.places, &v.place)
		}
	}
	return c
}

// start makes an instance.
func (w *world) start() *instance {
	w.started++
	n := &instance{name: fmt.Sprintf("node %d", w.started), listener: newSimListener()}
	logger := slog.New(&simLogger{w, n.name})
	n.port = w.store.Port(n.name)
	n.broker = follow.New(n.port, follow.Options{Instance: n.name, Logger: logger, Rules: w.store.rules})
	options := push.Options{
		Identify: identify, Authorize: push.Anyone, Disconnected: w.disconnected, Logger: logger,
		QueueMessages: w.queue.Messages, QueueBytes: w.queue.Bytes, ReplayMessages: w.replay.Messages, ReplayBytes: w.replay.Bytes,
	}
	if w.presence {
		options.Presence = []string{"topic/{number}"}
	}
	n.hub = push.New(n.broker, options)
	n.server = &http.Server{Handler: transport.Routes(n.hub), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 5 * time.Second}
	w.work.Go(func() { _ = n.server.Serve(n.listener) }) // until it is closed
	return n
}

// disconnected holds the end of a connection against the promise that slow readers of states
// stay, if they read at all.
func (w *world) disconnected(of push.Identity, _ string, reason error, _ time.Duration) {
	if !errors.Is(reason, push.CodeSlowConsumer) {
		return
	}
	for _, c := range w.clients {
		c.mu.Lock()
		if c.name == of.User && c.onlyStates && !c.wasStalled {
			w.violate("%s follows only states, and is cut for reading slowly", c.name)
		}
		c.mu.Unlock()
	}
}

// shutDown ends an instance as a restart does, and checks that nothing of it is left.
func (w *world) shutDown(n *instance) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n.hub.Shutdown(ctx); err != nil {
		w.violate("%s: Shutdown: %v", n.name, err)
	}
	n.server.Close()
	time.Sleep(time.Millisecond) // handlers that were about to end
	if s := n.hub.Stats(); s.Sessions != 0 || s.Topics != 0 || s.Panics != 0 {
		w.violate("I8: %s: after Shutdown there are %d sessions and %d topics; %d panics", n.name, s.Sessions, s.Topics, s.Panics)
	}
}

// abandon ends an instance as a kill does: nothing that it would still say reaches
// anybody.
func (w *world) abandon(n *instance) {
	n.port.kill()
	n.listener.Close()
	for _, c := range w.clients {
		c.mu.Lock()
		if c.at == n && c.conn != nil {
			c.conn.cut(true)
		}
		c.mu.Unlock()
	}
	w.work.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = n.hub.Shutdown(ctx) // only its goroutines are left
		n.server.Close()
	})
}

// instance returns the instance of a number.
func (w *world) instance(i int) *instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.instances[i%len(w.instances)]
}

// replace puts a new instance in the place of another.
func (w *world) replace(i int) (old *instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i %= len(w.instances)
	old = w.instances[i]
	w.instances[i] = w.start()
	w.gone = append(w.gone, old)
	return old
}

// buffer says what a connection is like: how much it holds, and how much is read at
// once.
func (w *world) buffer(client string, n int) (size, slice int) {
	f := faults{seed: w.seed, delay: 99}
	switch f.time(client, "buffer", n) % 4 {
	case 0:
		return 256, 1 << 20
	case 1:
		return 4096, 7
	default:
		return 4096, 1 << 20
	}
}

// violation begins a line of the timeline.
const violation = "VIOLATION "

func (w *world) logf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, event{time.Since(w.begun), format, args})
}

func (w *world) violate(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.logf(violation+"%s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations = append(w.violations, text)
}

// failed returns what was violated, or "".
func (w *world) failed() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.violations, "\n")
}

// timeline is what happened before the first violation, and a little after it.
func (w *world) timeline(before, after int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.IndexFunc(w.log, func(e event) bool { return strings.HasPrefix(e.format, violation) })
	if at < 0 {
		at = len(w.log)
	}
	var b strings.Builder
	for _, l := range w.log[max(0, at-before):min(len(w.log), at+after)] {
		fmt.Fprintf(&b, "%12v  %s\n", l.at, fmt.Sprintf(l.format, l.args...))
	}
	return b.String()
}

// simLogger takes what an instance logs into the timeline. An error is a fault that
// was thought impossible.
type simLogger struct {
	world *world
	name  string
}

func (l *simLogger) Enabled(context.Context, slog.Level) bool { return true }
func (l *simLogger) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *simLogger) WithGroup(string) slog.Handler            { return l }

func (l *simLogger) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.world.logf("%s logs: %s", l.name, text)
	if r.Level >= slog.LevelError {
		l.world.violate("%s logs an error: %s", l.name, text)
	}
	return nil
}
