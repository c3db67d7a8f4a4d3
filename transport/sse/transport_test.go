package sse_test

import (
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/transporttest"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func newTransport(hub *push.Hub) transporttest.Transport { return sse.New(hub) }

func TestTransportBySince(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Dial: transporttest.DialSSE})
}

func TestTransportByLastEventID(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Dial: transporttest.DialLastEventID})
}
