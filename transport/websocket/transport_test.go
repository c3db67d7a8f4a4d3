package websocket_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/transporttest"
	"github.com/tidewire/tidewire/transport/websocket"
)

func newTransport(hub *push.Hub) transporttest.Transport { return websocket.New(hub) }

func patientTransport(hub *push.Hub) transporttest.Transport {
	return websocket.New(hub, websocket.Options{WriteTimeout: time.Hour, AckTimeout: -1})
}

func TestTransportWithoutSubprotocol(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Patient: patientTransport, Dial: transporttest.DialWebSocket})
}

func TestTransportWithSubprotocol(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Patient: patientTransport, Dial: transporttest.DialSubprotocol})
}
