package ws

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
	"github.com/tidewire/tidewire/transport/protocol"
)

// pipes is a listener in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// inMemory is a hub with a server, for virtual time.
type inMemory struct {
	t     *testing.T
	hub   *push.Hub
	conns pipes
}

// within runs a test with a server in virtual time.
func within(t *testing.T, options push.Options, test func(*inMemory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		options.Authorize = push.Anyone
		m := &inMemory{t, push.New(membroker.New(), options), make(pipes)}
		server := &http.Server{Handler: New(m.hub)}
		go func() { _ = server.Serve(m.conns) }() // ends with Shutdown
		test(m)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.hub.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if left := m.hub.Stats().Memory; left != 0 {
			t.Errorf("%d bytes are counted for nobody", left)
		}
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
}

// guest is a client whose frames are collected.
type guest struct {
	net.Conn
	code uint16        // of the close frame
	done chan struct{} // closed at the end of the connection

	mu  sync.Mutex
	got []string
}

// frames gives what has come so far.
func (g *guest) frames() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.got)
}

// dial connects a guest.
func (m *inMemory) dial(path, subprotocol string) *guest {
	m.t.Helper()
	client, conn := net.Pipe()
	m.conns <- conn
	var headers []string
	if subprotocol != "" {
		headers = append(headers, "Sec-WebSocket-Protocol: "+subprotocol)
	}
	p := rawclient.New(client)
	p.Handshake(m.t, path, headers...)
	g := &guest{Conn: client, done: make(chan struct{})}
	go func() {
		defer close(g.done)
		for {
			first, payload, err := p.Frame()
			if err != nil {
				return
			}
			if first&0xF == rawclient.Close {
				g.code = binary.BigEndian.Uint16(payload)
				client.Write(rawclient.CloseFrame(1000, ""))
			}
			g.mu.Lock()
			g.got = append(g.got, string(payload))
			g.mu.Unlock()
		}
	}()
	synctest.Wait()
	return g
}

// here fails unless the guest is connected still.
func (m *inMemory) here(g *guest) {
	m.t.Helper()
	synctest.Wait()
	select {
	case <-g.done:
		m.t.Fatalf("the connection has ended with %d", g.code)
	default:
	}
}

// ended fails unless the guest's connection ends with this code.
func (m *inMemory) ended(g *guest, code push.Code) {
	m.t.Helper()
	select {
	case <-g.done:
	case <-time.After(10 * time.Second): //clock:virtual
		m.t.Fatal("the connection hasn't ended")
	}
	if g.code != uint16(closeCode(code)) {
		m.t.Errorf("closed with %d, want %d", g.code, uint16(closeCode(code)))
	}
}

// TestFloods: a client may send so many frames at once, of whatever kind, and no more.
func TestFloods(t *testing.T) {
	text := func(s string) []byte { return rawclient.Fin(rawclient.Text, s) }
	subscribe := text(`{"type":"subscribe","id":1,"topics":[{"topic":"b"}]}`)
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf(`{"topic":"%d"}`, i))
	}
	tests := []struct {
		name        string
		subprotocol string
		first       []byte
		more        []byte
		frames      int // of more
	}{
		{"pings", protocol.Subprotocol, nil, rawclient.Fin(rawclient.Ping, "x"), 1},
		{"pings of a plain client", "", nil, rawclient.Fin(rawclient.Ping, "x"), 1},
		{"pongs", protocol.Subprotocol, nil, rawclient.Fin(rawclient.Pong, ""), 1},
		{"pings of the protocol", protocol.Subprotocol, nil, text(`{"type":"ping"}`), 1},
		{"subscribe and unsubscribe", protocol.Subprotocol, nil,
			append(subscribe, text(`{"type":"unsubscribe","id":1,"topics":["b"]}`)...), 2},
		{"subscribes to many topics", protocol.Subprotocol, nil,
			text(`{"type":"subscribe","id":1,"topics":[` + strings.Join(many, ",") + `]}`), 50},
		{"small fragments", protocol.Subprotocol, rawclient.Part(rawclient.Text, "{"), rawclient.Part(rawclient.Continuation, " "), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			within(t, push.Options{}, func(m *inMemory) {
				honest := m.dial("/?topic=a", "")
				g := m.dial("/?topic=a", tt.subprotocol)
				var flood []byte
				sent := 0
				if tt.first != nil {
					flood, sent = tt.first, 1
				}
				flood = append(flood, bytes.Repeat(tt.more, (1000-sent)/tt.frames)...)
				if _, err := g.Write(flood); err != nil {
					t.Fatal(err)
				}
				m.here(g)
				// It goes on, and is read until it has answered the close frame: to close before
				// would be a reset, which may destroy that frame.
				written := make(chan error, 1)
				go func() {
					_, err := g.Write(bytes.Repeat(tt.more, 2000))
					written <- err
				}()
				m.ended(g, push.CodeRateLimited)
				if err := <-written; err != nil {
					t.Errorf("the rest of the flood: %v", err)
				}
				if last := g.frames()[len(g.frames())-2]; !strings.HasPrefix(last, `{"type":"error","code":"rate_limited"`) {
					t.Errorf("before the close frame came %s", last)
				}
				if _, err := m.hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("m")}); err != nil {
					t.Fatal(err)
				}
				m.here(honest)
				if last := honest.frames()[len(honest.frames())-1]; !strings.HasPrefix(last, `{"type":"message"`) {
					t.Errorf("the honest client got %s", last)
				}
			})
		})
	}
}

// TestSteadyFramesArentAFlood: what comes slowly enough may come for ever.
func TestSteadyFramesArentAFlood(t *testing.T) {
	within(t, push.Options{}, func(m *inMemory) {
		g := m.dial("/", protocol.Subprotocol)
		for range 2000 {
			if _, err := g.Write(rawclient.Fin(rawclient.Ping, "x")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		m.here(g)
	})
}

// TestMuteClientIsEnded: a client that follows nothing has to say something, whatever
// that is. An answer to the ping that it gets is enough.
func TestMuteClientIsEnded(t *testing.T) {
	tests := []struct {
		name  string
		path  string
		after time.Duration
		says  []byte
		pings int // before 5 s
		stays bool
	}{
		{"nothing", "/", 0, nil, 1, false},
		{"half a frame", "/", time.Second, []byte{0x81}, 1, false},
		{"a frame", "/", time.Second, rawclient.Fin(rawclient.Text, `{"type":"pong"}`), 0, true},
		{"a request that can't be understood", "/", time.Second, rawclient.Fin(rawclient.Text, `{"type":"dance","id":1}`), 0, true},
		{"a ping", "/", time.Second, rawclient.Fin(rawclient.Ping, ""), 0, true},
		{"a pong", "/", time.Second, rawclient.Fin(rawclient.Pong, ""), 0, true},
		{"an answer", "/", 3 * time.Second, rawclient.Fin(rawclient.Text, `{"type":"pong"}`), 1, true},
		{"nothing, with a topic", "/?topic=a", 0, nil, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			within(t, push.Options{}, func(m *inMemory) {
				g := m.dial(tt.path, protocol.Subprotocol)
				begin := time.Now()
				time.Sleep(tt.after)
				if _, err := g.Write(tt.says); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Until(begin.Add(4900 * time.Millisecond)))
				m.here(g)
				if got := strings.Count(strings.Join(g.frames(), ""), `{"type":"ping"}`); got != tt.pings {
					t.Errorf("%d pings in %v", got, g.frames())
				}
				if tt.stays {
					time.Sleep(5 * time.Second)
					m.here(g)
					return
				}
				m.ended(g, push.CodeTimeout)
				if took := time.Since(begin); took < 5*time.Second || took > 8*time.Second {
					t.Errorf("ended after %v", took)
				}
			})
		})
	}
}

// TestSendsOverAWebSocketAreLimited: a message too many is refused, and the connection
// lives.
func TestSendsOverAWebSocketAreLimited(t *testing.T) {
	options := push.Options{Receive: func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil }}
	within(t, options, func(m *inMemory) {
		g := m.dial("/", protocol.Subprotocol)
		send := rawclient.Fin(rawclient.Text, `{"type":"send","id":1,"topic":"a","data":"x"}`)
		if _, err := g.Write(bytes.Repeat(send, 21)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if _, err := g.Write(send); err != nil {
			t.Fatal(err)
		}
		m.here(g)
		const reply = `{"type":"reply","id":1}`
		got := g.frames()[1:] // after the welcome
		for i, frame := range got {
			if i == 20 {
				if !strings.HasPrefix(frame, `{"type":"error","id":1,"code":"rate_limited"`) {
					t.Errorf("one too many got %s", frame)
				}
			} else if frame != reply {
				t.Errorf("message %d got %s", i, frame)
			}
		}
		if len(got) != 22 {
			t.Errorf("%d answers", len(got))
		}
	})
}
