package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// shared is a broker that several hubs use, as instances share Redis. It is
// closed by the test.
type shared struct{ push.Broker }

func (shared) Close(context.Context) error { return nil }

// instance is one hub with its server.
type instance struct {
	hub    *push.Hub
	server *httptest.Server
}

func newInstance(t *testing.T, broker push.Broker, wrap func(net.Listener) net.Listener) *instance {
	t.Helper()
	// However slow the machine is, history is read in time.
	hub := push.New(broker, push.Options{Authorize: push.Anyone, BrokerTimeout: time.Minute})
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	server := httptest.NewUnstartedServer(r)
	if wrap != nil {
		server.Listener = wrap(server.Listener)
	}
	server.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return &instance{hub, server}
}

func (i *instance) url(path string) string { return i.server.URL + "/push/" + path }

// way is a way to follow topics.
type way struct {
	path string
	dial transporttest.Dial
}

// ways are all those with a connection.
var ways = []way{
	{"ws", transporttest.DialWebSocket},
	{"ws", transporttest.DialSubprotocol},
	{"sse", transporttest.DialSSE},
	{"sse", transporttest.DialLastEventID},
	{"sse", transporttest.DialSSEByPost},
}

// withPolls are all ways.
var withPolls = append(slices.Clip(ways), way{"poll", transporttest.DialPoll}, way{"poll", transporttest.DialPollByPost})

func TestResumeAcrossTransportsAndInstances(t *testing.T) {
	broker := membroker.New()
	instances := []*instance{newInstance(t, shared{broker}, nil), newInstance(t, shared{broker}, nil)}
	for _, topics := range [][]string{{"one"}, {"a", "b", "c", "d", "e"}} {
		cursor, err := instances[0].hub.Cursor(t.Context(), topics...)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, in := range instances {
			for _, way := range withPolls {
				for range 3 {
					topic := topics[n%len(topics)]
					n++
					if _, err := instances[n%2].hub.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(fmt.Sprint(n))}); err != nil {
						t.Fatal(err)
					}
				}
				c, err := way.dial(t.Context(), in.url(way.path), topics, cursor)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for len(got) < 3 {
					f, err := c.Next()
					if err != nil {
						t.Fatal(err)
					}
					switch f.Type {
					case protocol.TypeMessage:
						got = append(got, string(f.Data))
					case protocol.TypeWelcome:
					default:
						t.Fatalf("got %+v", f)
					}
				}
				want := map[string]bool{fmt.Sprint(n - 2): true, fmt.Sprint(n - 1): true, fmt.Sprint(n): true}
				for _, data := range got {
					if !want[data] {
						t.Fatalf("%s from %q brought %v, want %v", way.path, cursor, got, want)
					}
					delete(want, data)
				}
				cursor = c.Cursor
				c.Close()
			}
		}
	}
}

// cutter is a listener whose connections die after a random number of bytes, in
// the middle of whatever is being written.
type cutter struct {
	net.Listener
	mu   sync.Mutex
	rand *rand.Rand
	cuts *atomic.Int64
}

func (l *cutter) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	left := 1 << 30
	if l.rand.IntN(4) > 0 {
		left = 150 + l.rand.IntN(12_000)
	}
	return &cutConn{Conn: conn, left: left, cuts: l.cuts}, nil
}

type cutConn struct {
	net.Conn
	left int // owned by the writer
	cuts *atomic.Int64
}

func (c *cutConn) Write(p []byte) (int, error) {
	if len(p) < c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.left]) // the connection dies either way
	c.left = 0
	c.cuts.Add(1)
	c.Close()
	return n, net.ErrClosed
}

const (
	seeds      = 100
	publishers = 8
	topics     = 4
	clients    = 50
	each       = 2 // messages of each publisher to each topic
)

// TestNothingIsLostOrDoubled kills connections at random bytes while publishers
// write, and clients of all kinds come back with their cursors to any instance:
// each must see each of its topics whole, once and in order.
func TestNothingIsLostOrDoubled(t *testing.T) {
	var cuts, received atomic.Int64
	for seed := range seeds {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { chaos(t, uint64(seed), &cuts, &received) })
		if !ok {
			break
		}
	}
	t.Logf("%d seeds: %d messages received, %d connections cut", seeds, received.Load(), cuts.Load())
	if cuts.Load() < seeds {
		t.Errorf("only %d connections were cut", cuts.Load())
	}
}

func chaos(t *testing.T, seed uint64, cuts, received *atomic.Int64) {
	broker := membroker.New()
	var instances []*instance
	for i := range 2 {
		instances = append(instances, newInstance(t, shared{broker}, func(l net.Listener) net.Listener {
			return &cutter{Listener: l, rand: rand.New(rand.NewPCG(seed, uint64(1000+i))), cuts: cuts}
		}))
	}
	var names []string
	for i := range topics {
		names = append(names, fmt.Sprint("topic/", i))
	}
	start, err := instances[0].hub.Cursor(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for p := range publishers {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(p)))
			for n := range each {
				for _, topic := range names {
					data := fmt.Sprintf("%d-%d %s", p, n, strings.Repeat("x", random.IntN(300)))
					_, err := instances[random.IntN(2)].hub.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(data)})
					if err != nil {
						t.Errorf("Publish: %v", err)
					}
				}
				time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond) //clock:real publishers pause
			}
		})
	}
	for i := range clients {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(100+i)))
			follower := newFollower(t, names[:1+random.IntN(topics)], start)
			for !follower.whole() {
				way, in := withPolls[random.IntN(len(withPolls))], instances[random.IntN(2)]
				c, err := way.dial(t.Context(), in.url(way.path), follower.topics, follower.cursor)
				if err != nil {
					continue // cut before it was open
				}
				follower.read(c, random.IntN(60))
				c.Close()
			}
			received.Add(int64(len(follower.topics) * publishers * each))
		})
	}
	wait.Wait()
}

// follower checks what a client gets over all its connections.
type follower struct {
	t      *testing.T
	topics []string
	cursor string
	offset map[string]uint64
	last   map[string]int // by topic and publisher
	failed bool
}

func newFollower(t *testing.T, topics []string, cursor string) *follower {
	return &follower{t: t, topics: topics, cursor: cursor, offset: map[string]uint64{}, last: map[string]int{}}
}

func (f *follower) whole() bool {
	for _, topic := range f.topics {
		if f.offset[topic] < publishers*each {
			return f.failed
		}
	}
	return true
}

func (f *follower) errorf(format string, args ...any) {
	f.failed = true
	f.t.Errorf(format, args...)
}

// read takes up to n frames, or all until the connection dies or the follower is
// whole.
func (f *follower) read(c *transporttest.Client, n int) {
	for i := 0; (i < n || n > 40) && !f.whole(); i++ {
		frame, err := c.Next()
		if err != nil {
			return
		}
		f.cursor = c.Cursor
		switch frame.Type {
		case protocol.TypeWelcome:
		case protocol.TypeMessage:
			f.note(frame, c.Position(frame.Topic).Offset)
		default:
			f.errorf("unexpected %+v", frame)
		}
	}
}

func (f *follower) note(m transporttest.Frame, offset uint64) {
	if want := f.offset[m.Topic] + 1; offset != want {
		f.errorf("%s: offset %d, want %d", m.Topic, offset, want)
	}
	f.offset[m.Topic] = offset
	var publisher, number int
	if _, err := fmt.Sscanf(string(m.Data), "%d-%d ", &publisher, &number); err != nil {
		f.errorf("data %q: %v", m.Data, err)
	}
	key := fmt.Sprint(m.Topic, " ", publisher)
	if number != f.last[key] {
		f.errorf("%s: publisher %d's number %d, want %d", m.Topic, publisher, number, f.last[key])
	}
	f.last[key]++
}
