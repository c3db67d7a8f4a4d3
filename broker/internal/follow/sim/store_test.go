package sim

import (
	"maps"
	"testing"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// TestBroker holds a broker on the store to the suite that every broker must pass.
func TestBroker(t *testing.T) {
	stores := map[push.Broker]*Store{}
	brokertest.Run(t, func(t *testing.T, c brokertest.Config) push.Broker {
		store := NewStore(1, Options{History: c.History, Retry: c.Retry})
		b := follow.New(store.Port("a"), follow.Options{MaxMessage: c.MaxMessage})
		stores[b] = store
		return b
	}, func(_ *testing.T, b push.Broker) map[string]int {
		held := b.(*follow.Broker).Held()
		maps.Copy(held, stores[b].Cost())
		return held
	})
}

// TestStore holds it to the suite for stores.
func TestStore(t *testing.T) {
	brokertest.RunStore(t, func(*testing.T, brokertest.Config) push.Broker {
		return follow.New(NewStore(1, Options{}).Port("a"), follow.Options{})
	})
}
