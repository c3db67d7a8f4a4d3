package poll_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/poll"
	"github.com/tidewire/tidewire/transport/transporttest"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func newTransport(hub *push.Hub) transporttest.Transport { return poll.New(hub) }

func patientTransport(hub *push.Hub) transporttest.Transport {
	return poll.New(hub, poll.Options{WriteTimeout: time.Hour})
}

func TestTransport(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: newTransport, Patient: patientTransport, Dial: transporttest.DialPoll, Polls: true})
}

func TestTransportByPost(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		New: newTransport, Patient: patientTransport, Dial: transporttest.DialPollByPost, Polls: true, ByPost: true, Topics: 100,
	})
}
