package client

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// script is a server that does what a test says with each request, in virtual time.
type script struct {
	t    *testing.T
	url  string
	http *http.Client

	mu    sync.Mutex
	times []time.Time // of the requests
}

// requests returns the times of all requests so far.
func (s *script) requests() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.times)
}

// scripted runs a test against a server that answers the nth request, from 0, with answer.
func scripted(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request), test func(*testing.T, *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s := &script{t: t, url: "http://server.example/push"}
		var conns, work sync.WaitGroup // connections of the server, and handlers, which may take one over
		server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			work.Add(1)
			defer work.Done()
			s.mu.Lock()
			n := len(s.times)
			s.times = append(s.times, time.Now())
			s.mu.Unlock()
			answer(n, w, r)
		}), ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				conns.Done()
			case http.StateActive, http.StateIdle:
			}
		}}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(p) }()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, conn := net.Pipe()
			select {
			case p.conns <- conn:
				return client, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		s.http = &http.Client{Transport: transport}
		test(t, s)
		transport.CloseIdleConnections()
		_ = server.Close()
		<-done
		conns.Wait()
		work.Wait()
	})
}

func (s *script) connect(o Options) *Client {
	s.t.Helper()
	o.HTTPClient = s.http
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := New(s.url, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *script) close(c *Client) {
	s.t.Helper()
	if err := c.Close(s.t.Context()); err != nil {
		s.t.Errorf("Close: %v", err)
	}
}

// socketed answers with a WebSocket.
func socketed(w http.ResponseWriter, r *http.Request, do func(conn *websocket.Conn)) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol.Subprotocol}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	do(conn)
}

func write(conn *websocket.Conn, frames ...string) {
	for _, frame := range frames {
		_ = conn.Write(context.Background(), websocket.Text, []byte(frame))
	}
}

// listen reads until the client leaves, and keeps what it has said.
func listen(conn *websocket.Conn, hear func(protocol.Request)) {
	for {
		_, data, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		r, err := protocol.ParseRequest(data)
		if err != nil {
			panic(err)
		}
		if hear != nil {
			hear(r)
		}
	}
}

const hello = `{"type":"welcome","protocol":"tidewire.v1","session":"s","heartbeat":1000,"features":["recent"],"topics":[]}`
