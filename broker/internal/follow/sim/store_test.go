package sim

import (
	"fmt"
	"maps"
	"testing"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestBroker holds brokers on the store to the suite that every backend must pass.
func TestBroker(t *testing.T) { brokertest.Run(t, backend) }

// TestStore holds them to the suite for stores.
func TestStore(t *testing.T) { brokertest.RunStore(t, backend) }

func backend(_ testing.TB, c brokertest.Options) brokertest.Backend {
	store := NewStore(1, Options{History: c.History, Topics: c.Topics, Retry: c.Retry})
	ports := map[push.Broker]*Port{}
	// toSubscriber does something to the subscriber connection of an instance, which may
	// be connecting.
	toSubscriber := func(t testing.TB, instance push.Broker, do func(*Subscriber)) {
		t.Helper()
		testaid.Eventually(t, "a subscriber connection", func() bool {
			store.mu.Lock()
			defer store.mu.Unlock()
			for subscriber := range store.subscribers {
				if subscriber.port == ports[instance] {
					do(subscriber)
					return true
				}
			}
			return false
		})
	}
	return brokertest.Backend{
		Instance: func(testing.TB) push.Broker {
			port := store.Port(fmt.Sprint("port ", len(ports)))
			b := follow.New(port, follow.Options{MaxMessage: c.MaxMessage, Rules: store.rules})
			ports[b] = port
			return b
		},
		Cost: func(testing.TB) map[string]int {
			cost := map[string]int{}
			for b := range ports {
				for what, n := range b.(*follow.Broker).Held() {
					cost[what] += n
				}
			}
			maps.Copy(cost, store.Cost())
			return cost
		},
		Lose: func(t testing.TB, b push.Broker, n int) {
			t.Helper()
			toSubscriber(t, b, func(s *Subscriber) { s.lose = n })
		},
		Cut: func(t testing.TB, b push.Broker) {
			t.Helper()
			toSubscriber(t, b, (*Subscriber).breakOff)
		},
		Restart: func(testing.TB) { store.promote(0, false) },
		Erase: func(testing.TB) {
			store.flush()
			store.promote(0, false)
		},
		Fork: func(_ testing.TB, topic string) { store.Fork(topic) },
	}
}
