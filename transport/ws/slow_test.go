package ws

import (
	"encoding/binary"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestSlowMessageIsTimed has clients that begin a message and don't come to its end,
// while they show that they live. A message holds a goroutine and a buffer, so it has
// as long as a client may be silent.
func TestSlowMessageIsTimed(t *testing.T) {
	t.Parallel()
	frame := rawclient.Fin(rawclient.Text, `{"type":"ping"}`)
	tests := []struct {
		name  string
		first []byte
		more  []byte // one piece every few milliseconds
		piece int
	}{
		{"a byte at a time", nil, rawclient.Fin(rawclient.Text, string(make([]byte, 60_000))), 1},
		{"half a header", frame[:1], nil, 0},
		{"pongs between fragments", rawclient.Part(rawclient.Text, `{"type":`), rawclient.Fin(rawclient.Pong, ""), 6},
		{"pings between fragments", rawclient.Part(rawclient.Text, `{"type":`), rawclient.Fin(rawclient.Ping, ""), 6},
		{"small fragments", rawclient.Part(rawclient.Text, `{"type":`), rawclient.Part(rawclient.Continuation, " "), 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
			server := httptest.NewServer(New(hub, Options{Heartbeat: 50 * time.Millisecond, PongTimeout: 350 * time.Millisecond}))
			defer server.Close()
			p := rawclient.Dial(t, server, "Sec-WebSocket-Protocol: "+protocol.Subprotocol)
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				p.Write(tt.first)
				for at := 0; tt.more != nil; at = (at + tt.piece) % (len(tt.more) - len(tt.more)%tt.piece) {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond): //clock:real whoever is slower is cut as well
						p.Write(tt.more[at : at+tt.piece]) // fails in the end
					}
				}
			}()
			code := uint16(0)
			for {
				first, payload, err := p.Frame()
				if err != nil {
					break
				}
				if first&0xF == rawclient.Close {
					code = binary.BigEndian.Uint16(payload)
				}
			}
			close(stop)
			<-stopped
			if code != uint16(closeCode(push.CodeTimeout)) {
				t.Errorf("closed with %d, want %d", code, uint16(closeCode(push.CodeTimeout)))
			}
			if err := hub.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
