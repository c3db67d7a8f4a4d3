//go:build unix

package socket

import (
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
)

// way is one of the ways to wait. After use the sockets of a test wait so.
type way struct {
	name string
	use  func(testing.TB)
}

// everyWay runs a test for each way to wait, on each kind of socket.
func everyWay(t *testing.T, test func(t *testing.T, dial dialer)) {
	for _, way := range ways {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(way.name+"/"+network, func(t *testing.T) {
				way.use(t)
				test(t, newDialer(t, network))
			})
		}
	}
}

// dialer makes a new connection: our end and the peer's.
type dialer func() (*Socket, net.Conn)

// newDialer returns a dialer whose sockets are closed with the test.
func newDialer(t testing.TB, network string) dialer {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return func() (*Socket, net.Conn) {
		t.Helper()
		peer, err := net.Dial(network, listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s := New(conn)
		t.Cleanup(func() {
			s.Close()
			peer.Close()
		})
		return s, peer
	}
}

// calls counts the calls of a function that is to be called once.
type calls struct{ n atomic.Int32 }

func (c *calls) f() { c.n.Add(1) }

// once waits for the call.
func (c *calls) once(t *testing.T) {
	t.Helper()
	eventually(t, "the call", func() bool { return c.n.Load() > 0 })
	c.stillOnce(t)
}

func (c *calls) stillOnce(t *testing.T) {
	t.Helper()
	if n := c.n.Load(); n != 1 {
		t.Fatalf("called %d times", n)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	testaid.Eventually(t, what, is)
}

// reset ends the connection of peer in the rough way.
func reset(t *testing.T, s *Socket, peer net.Conn) {
	t.Helper()
	if tcp, ok := peer.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	} else if _, err := s.conn.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	peer.Close()
}
