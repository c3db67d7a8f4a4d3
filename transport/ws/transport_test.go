package ws_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/transporttest"
	"github.com/tidewire/tidewire/transport/ws"
)

func newTransport(hub *push.Hub) transporttest.Transport { return ws.New(hub) }

func patientTransport(hub *push.Hub) transporttest.Transport {
	return ws.New(hub, ws.Options{WriteTimeout: time.Hour, AckTimeout: -1})
}

func TestTransportWithoutSubprotocol(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Patient: patientTransport, Dial: transporttest.DialWebSocket, Topics: 100})
}

func TestTransportWithSubprotocol(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		New: newTransport, Patient: patientTransport, Dial: transporttest.DialSubprotocol,
		TwoWay: transporttest.SubprotocolOver, Topics: 100,
	})
}
