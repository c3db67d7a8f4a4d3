package transporttest

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// testOrder has a client that asks for a topic and sends to it at once, while Authorize is
// longer about the topic than a client may be silent. The send waits for the topic, so the
// client gets what comes of it; and meanwhile it gets heartbeats. Time is virtual: whatever
// can be done before Authorize answers, is.
func testOrder(t *testing.T, h Harness) {
	for name, inURL := range map[string]bool{"subscribe": false, "a topic of the URL": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sendBehindSubscribe(t, h, inURL) })
		})
	}
}

func sendBehindSubscribe(t *testing.T, h Harness, inURL bool) {
	const slow = 10 * time.Minute
	var hub *push.Hub
	hub = push.New(membroker.New(), push.Options{
		AccessTimeout: 2 * slow,
		Authorize: func(_ context.Context, a push.Access) error {
			if a.Action == push.ActionFollow {
				time.Sleep(slow) //clock:virtual
			}
			return nil
		},
		Receive: func(ctx context.Context, in push.Inbound) (push.Reply, error) {
			_, err := hub.Publish(ctx, push.Message{Topic: in.Topic, Data: in.Data})
			return push.Reply{}, err
		},
	})
	c := inMemory(t, h, hub, inURL)
	if !inURL {
		if f, err := c.Next(); err != nil || f.Type != protocol.TypeWelcome {
			t.Fatalf("first came %+v, %v", f, err)
		}
		if err := c.Send(protocol.Subscribe(1, []protocol.Follow{{Topic: "slow"}})); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Send(protocol.Send(2, &push.Message{Topic: "slow", Data: []byte("mine")})); err != nil {
		t.Fatal(err)
	}
	beats := 0
	f, err := c.next()
	for ; err == nil && f.Type == protocol.TypePing; f, err = c.next() {
		beats++
	}
	if err == nil {
		err = c.note(f)
	}
	if err != nil || len(f.Topics) != 1 || f.Topics[0].Error != nil {
		t.Fatalf("the topic is answered by %+v, %v", f, err)
	}
	if !inURL && beats == 0 { // before the welcome there are none
		t.Errorf("no heartbeat in %v", slow)
	}
	var got, replies int
	for got+replies < 2 {
		switch f, err := c.Next(); {
		case err != nil:
			t.Fatalf("after %d messages and %d replies: %v", got, replies, err)
		case f.Type == protocol.TypeMessage && f.Data == "mine":
			got++
		case f.Type == protocol.TypeReply:
			replies++
		default:
			t.Fatalf("then came %+v", f)
		}
	}
	if got != 1 {
		t.Errorf("%d messages and %d replies", got, replies)
	}
}

// inMemory serves a hub over connections in memory, and opens a client that has Send. All
// ends with the test.
func inMemory(t *testing.T, h Harness, hub *push.Hub, inURL bool) *Client {
	t.Helper()
	conns := make(pipes)
	server := &http.Server{Handler: h.New(hub)}
	go func() { _ = server.Serve(conns) }() // ends with Close
	transport := &http.Transport{DialContext: conns.dial}
	var topics []string
	if inURL {
		topics = []string{"slow"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	c, err := h.TwoWay(transport)(ctx, "http://server.example/", topics, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := hub.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		cancel()
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return c
}

// pipes is a listener in memory.
type pipes chan net.Conn

// Accept returns the next connection.
func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close ends the listening.
func (p pipes) Close() error { close(p); return nil }

// Addr returns an address of nothing.
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, conn := net.Pipe()
	p <- conn
	c := &roomyConn{Conn: client, written: make(chan []byte, 1000), closed: make(chan struct{})}
	go c.deliver()
	return c, nil
}

// roomyConn is a pipe that holds what is written to it until the other side reads, as a
// kernel does.
type roomyConn struct {
	net.Conn

	written chan []byte
	closed  chan struct{}
	once    sync.Once
}

func (c *roomyConn) deliver() {
	for {
		select {
		case p := <-c.written:
			_, _ = c.Conn.Write(p) // fails if the other side has closed, which a reader sees too
		case <-c.closed:
			return
		}
	}
}

// Write returns at once, unless there is no room.
func (c *roomyConn) Write(p []byte) (int, error) {
	select {
	case c.written <- bytes.Clone(p):
		return len(p), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// Close drops what is held.
func (c *roomyConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
