package pushtest_test

import (
	"testing"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
)

// TestBrokerIsOne: what lies between the memory and the hub keeps the promises of a broker.
func TestBrokerIsOne(t *testing.T) { brokertest.Run(t, backend) }

func TestBrokerIsAStore(t *testing.T) { brokertest.RunStore(t, backend) }

func backend(t testing.TB, o brokertest.Options) brokertest.Backend {
	b := pushtest.NewBroker(t, membroker.Options{History: o.History, Topics: o.Topics, MaxMessage: o.MaxMessage, Retry: o.Retry})
	return brokertest.Backend{
		Instance: func(testing.TB) push.Broker { return b },
		Cost:     func(testing.TB) map[string]int { return map[string]int{} }, // that is a test of membroker
		Lacks: map[brokertest.Capability]string{
			brokertest.Apart:   "the hubs of a test share one broker",
			brokertest.Lose:    "only what is told to be lost is",
			brokertest.Cut:     "there is no connection",
			brokertest.Restart: "the data end with the test",
			brokertest.Fork:    "a memory broker has no other branch",
			brokertest.Erase:   "the data end with the test",
		},
	}
}
