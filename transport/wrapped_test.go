package transport_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

// countedListener counts its connections as one with a limit does. They tell what they
// wrap, by the name that crypto/tls made usual.
type countedListener struct {
	net.Listener
	open atomic.Int64
}

type countedConn struct {
	net.Conn
	closed func()
	once   atomic.Bool
}

func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: c, closed: func() { l.open.Add(-1) }}, nil
}

func (c *countedConn) NetConn() net.Conn { return c.Conn }

func (c *countedConn) Close() error {
	if c.once.CompareAndSwap(false, true) {
		c.closed()
	}
	return c.Conn.Close()
}

// TestWrappedConnectionsAreClosed: a listener with a limit gets every place back, from
// clients that leave and from those that are sent away.
func TestWrappedConnectionsAreClosed(t *testing.T) {
	requests := map[string]string{
		"websocket": "GET /ws?topic=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		"event stream": "GET /sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
			server := httptest.NewUnstartedServer(transport.Routes(hub))
			listener := &countedListener{Listener: server.Listener}
			server.Listener = listener
			server.Start()
			defer server.Close()
			for i := range 6 {
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, request); err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewReader(conn)
				for line := ""; !strings.Contains(line, "welcome"); {
					if line, err = lines.ReadString('}'); err != nil {
						t.Fatal(err)
					}
				}
				if i%2 == 0 {
					conn.Close()
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_ = hub.Shutdown(ctx) // the WebSockets don't answer its close frames, and are cut
			testaid.Eventually(t, "the end of all connections", func() bool { return listener.open.Load() == 0 })
		})
	}
}
