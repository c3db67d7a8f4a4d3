package ws

import (
	"context"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestSlowHookDoesNotHoldTheHandshake: the client has the answer to its handshake while the
// application still thinks.
func TestSlowHookDoesNotHoldTheHandshake(t *testing.T) {
	answered := make(chan struct{})
	hub := push.New(membroker.New(), push.Options{Authorize: func(ctx context.Context, _ push.Access) error {
		select {
		case <-answered:
			return nil
		case <-ctx.Done():
			return push.CodeUnavailable
		}
	}})
	server := httptest.NewServer(New(hub))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := rawclient.New(conn)
	p.Handshake(t, "/?topic=a", "Sec-WebSocket-Protocol: "+protocol.Subprotocol)
	close(answered)
	if frame := p.Next(); !strings.HasPrefix(frame, `text {"type":"welcome"`) && !strings.HasSuffix(frame, " bytes") {
		t.Errorf("got %q", frame)
	}
	p.Close()
	if err := hub.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
