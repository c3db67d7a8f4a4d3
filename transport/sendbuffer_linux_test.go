package transport_test

import (
	"context"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

// TestKernelKeepsLittleOfAStream: what the kernel keeps for a client that doesn't read
// comes on top of the client's queue, so its buffer is asked to be small.
func TestKernelKeepsLittleOfAStream(t *testing.T) {
	for _, way := range ways {
		t.Run(way.path, func(t *testing.T) {
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
			server := httptest.NewUnstartedServer(transport.Routes(hub))
			conns := make(chan *net.TCPConn, 1)
			server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
				conns <- c.(*net.TCPConn)
				return ctx
			}
			server.Start()
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience)
			defer cancel()
			client, err := way.dial(ctx, server.URL+"/"+way.path, []string{"a"}, "")
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, err := client.Next(); err != nil {
				t.Fatal(err)
			}
			if size := sendBuffer(t, <-conns); size > 2*64<<10 { // the kernel doubles what it is asked for
				t.Errorf("the kernel keeps up to %d bytes", size)
			}
			if err := hub.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func sendBuffer(t *testing.T, c *net.TCPConn) (size int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		size, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return size
}
