package websocket_test

import (
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/transporttest"
	"github.com/tidewire/tidewire/transport/websocket"
)

func newTransport(hub *push.Hub) transporttest.Transport { return websocket.New(hub) }

func TestTransportWithoutSubprotocol(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Dial: transporttest.DialWebSocket})
}

func TestTransportWithSubprotocol(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Dial: transporttest.DialSubprotocol})
}
