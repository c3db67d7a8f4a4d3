package membroker_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/membroker"
)

func TestStore(t *testing.T) {
	brokertest.RunStore(t, backend)
}

// TestStoreForgetsWhatHasExpired has a full set whose values expire: there is room
// again, without anybody having taken or listed them.
func TestStoreForgetsWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		put := func(key string) error {
			_, err := b.Put(t.Context(), "s", key, broker.Stored{Value: []byte("x"), TTL: 30 * time.Second})
			return err
		}
		for i := range broker.MaxStored {
			if err := put(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := put("more"); err == nil {
			t.Fatal("there is no bound")
		}
		time.Sleep(30 * time.Second)
		if err := put("more"); err != nil {
			t.Error(err)
		}
		if all, err := b.All(t.Context(), "s"); err != nil || len(all) != 1 {
			t.Errorf("%d values are left, %v", len(all), err)
		}
	})
}
