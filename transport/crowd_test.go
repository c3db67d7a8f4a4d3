package transport_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/transporttest"
	"github.com/tidewire/tidewire/transport/ws"
)

// crowd is a server with honest clients, of which each gets every message of its topic
// once and in order, or the test fails. A client that is cut comes back with its cursor,
// as ours do.
type crowd struct {
	t       *testing.T
	hub     *push.Hub
	server  *http.Server
	address string

	before  resources
	stop    context.CancelFunc
	running sync.WaitGroup
	returns atomic.Int64

	published [honestTopics]int
	send      func(topic string, data []byte) error

	mu      sync.Mutex // guards the rest
	clients []*honest
	delays  []time.Duration
}

// honestTopics are h0, h1 …
const honestTopics = 5

type honest struct {
	topic int
	got   int // messages, in order
}

// resources are what must be as before when all is over.
type resources struct {
	goroutines, descriptors int
	heap                    uint64
}

func measure(t *testing.T) resources {
	t.Helper()
	runtime.GC()
	runtime.GC() // pools are emptied in two steps
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return resources{runtime.NumGoroutine(), descriptors(t), m.HeapAlloc}
}

// newCrowd serves a hub whose limits of time are as short as a test needs.
func newCrowd(t *testing.T, options push.Options) *crowd {
	t.Helper()
	w := &crowd{t: t, before: measure(t)}
	options.Authorize = push.Anyone
	options.Receive = func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil }
	w.hub = push.New(membroker.New(), options)
	w.send = func(topic string, data []byte) error {
		_, err := w.hub.Publish(t.Context(), push.Message{Topic: topic, Data: data})
		return err
	}
	handler := http.NewServeMux()
	handler.Handle("/push/", http.StripPrefix("/push", transport.Routes(w.hub, transport.Options{
		PublishKey: "k",
		WebSocket: ws.New(w.hub, ws.Options{
			Heartbeat: time.Second, PongTimeout: 5 * time.Second, WriteTimeout: time.Second, Compression: true,
		}),
		SSE: sse.New(w.hub, sse.Options{Heartbeat: time.Second, WriteTimeout: time.Second}),
	})))
	w.server = &http.Server{Handler: handler}
	harden(w.server)
	w.server.ReadHeaderTimeout = 2 * time.Second
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = listener.Addr().String()
	w.running.Go(func() { _ = w.server.Serve(listener) })
	return w
}

// follow connects honest clients, and returns when all are welcome.
func (w *crowd) follow(n int) {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	var welcome sync.WaitGroup
	for i := range n {
		h := &honest{topic: i % honestTopics}
		w.clients = append(w.clients, h)
		welcome.Add(1)
		w.running.Go(func() { w.live(ctx, h, i, sync.OnceFunc(welcome.Done)) })
	}
	welcome.Wait()
}

// live is the life of an honest client.
func (w *crowd) live(ctx context.Context, h *honest, i int, welcome func()) {
	way := ways[i/honestTopics%len(ways)]
	cursor := ""
	for ctx.Err() == nil {
		c, err := way.dial(ctx, "http://"+w.address+"/push/"+way.path, []string{"h" + strconv.Itoa(h.topic)}, cursor)
		if err != nil {
			time.Sleep(50 * time.Millisecond) //clock:real it backs off
			continue
		}
		for {
			f, err := c.Next()
			if err != nil {
				break
			}
			cursor = c.Cursor
			switch f.Type {
			case protocol.TypeWelcome:
				welcome()
			case protocol.TypeMessage:
				w.arrived(h, f)
			case protocol.TypeError:
				// On a machine that is busy enough it may be cut for silence. It comes back.
			default:
				w.t.Errorf("an honest client got %+v", f)
			}
		}
		c.Close()
		w.returns.Add(1)
	}
}

func (w *crowd) arrived(h *honest, f transporttest.Frame) {
	number, at, _ := strings.Cut(string(f.Data), " ")
	sent, err := strconv.ParseInt(at, 10, 64)
	w.mu.Lock()
	defer w.mu.Unlock()
	if number != strconv.Itoa(h.got) || err != nil {
		w.t.Errorf("an honest client got %q, and waited for number %d", f.Data, h.got)
	}
	h.got++
	w.delays = append(w.delays, time.Duration(time.Now().UnixNano()-sent))
}

// latencies are those of a time.
type latencies struct{ p50, p99, worst time.Duration }

func (l latencies) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, worst %v", l.p50.Round(time.Microsecond), l.p99.Round(time.Microsecond), l.worst.Round(time.Microsecond))
}

// publish sends messages to the honest clients, and returns when each has what it
// should.
func (w *crowd) publish(n int, pause time.Duration) latencies {
	w.t.Helper()
	w.mu.Lock()
	w.delays = nil
	w.mu.Unlock()
	for i := range n {
		topic := i % honestTopics
		data := fmt.Appendf(nil, "%d %d", w.published[topic], time.Now().UnixNano())
		w.published[topic]++
		if err := w.send("h"+strconv.Itoa(topic), data); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(pause) //clock:real messages come at a pace
	}
	eventually(w.t, "every message", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !slices.ContainsFunc(w.clients, func(h *honest) bool { return h.got < w.published[h.topic] })
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.delays)
	at := func(q int) time.Duration { return w.delays[(len(w.delays)-1)*q/100] }
	return latencies{at(50), at(99), at(100)}
}

// end sends all away, and fails unless everything is as it was before.
func (w *crowd) end() {
	w.t.Helper()
	if w.stop != nil {
		w.stop()
	}
	eventually(w.t, "the end of all sessions", func() bool { return w.hub.Stats().Sessions == 0 })
	ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
	defer cancel()
	if err := w.hub.Shutdown(ctx); err != nil {
		w.t.Errorf("Shutdown: %v", err)
	}
	if left := w.hub.Stats().Memory; left != 0 {
		w.t.Errorf("%d bytes are counted for nobody", left)
	}
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Errorf("Shutdown of the server: %v", err)
	}
	w.running.Wait()
	var now resources
	defer func() { w.t.Logf("before %+v, afterwards %+v", w.before, now) }()
	eventually(w.t, "what was before", func() bool {
		now = measure(w.t)
		return now.goroutines <= w.before.goroutines && now.descriptors <= w.before.descriptors && now.heap < w.before.heap+16<<20
	})
}

// eventually waits for what must come.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	testaid.Eventually(t, what, check)
}
