package sse_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/transporttest"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func newTransport(hub *push.Hub) transporttest.Transport { return sse.New(hub) }

func patientTransport(hub *push.Hub) transporttest.Transport {
	return sse.New(hub, sse.Options{WriteTimeout: time.Hour, AckTimeout: -1})
}

func TestTransportBySince(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Patient: patientTransport, Dial: transporttest.DialSSE})
}

func TestTransportByPost(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		New: newTransport, Patient: patientTransport, Dial: transporttest.DialSSEByPost, ByPost: true, Topics: 100,
	})
}

func TestTransportByPostOverHTTP2(t *testing.T) {
	like := &http.Transport{Protocols: new(http.Protocols)}
	like.Protocols.SetUnencryptedHTTP2(true)
	transporttest.Run(t, transporttest.Harness{
		New: newTransport, Patient: patientTransport, Dial: transporttest.SSEByPostOver(like), ByPost: true, Topics: 100,
	})
}

func TestTransportByLastEventID(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Patient: patientTransport, Dial: transporttest.DialLastEventID})
}
