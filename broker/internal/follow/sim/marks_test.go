package sim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

func publishText(t *testing.T, b *follow.Broker, text string) broker.Position {
	t.Helper()
	receipt, err := b.Publish(context.Background(), push.Message{Topic: "a", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Position
}

func closeBroker(t *testing.T, b *follow.Broker) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestOldMarkDoesNotEndANewHistory has an instance that has seen a history which was kept for
// as long as was promised, and another that begins the topic again.
func TestOldMarkDoesNotEndANewHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewStore(1, Options{})
		b, other := follow.New(store.Port("a"), follow.Options{Keep: time.Hour}), follow.New(store.Port("b"), follow.Options{})
		defer closeBroker(t, b)
		defer closeBroker(t, other)
		for range 3 {
			publishText(t, b, "old")
		}
		store.Evict("a", true, 0)
		store.Evict("a", false, 0)
		time.Sleep(b.Keep())
		at := publishText(t, other, "new")
		if page, err := b.Recent(context.Background(), "a", broker.Limit{}); err != nil || page.Head != at {
			t.Errorf("the new message is at %+v, and the head at %+v, %v", at, page.Head, err)
		}
	})
}

// TestUnheardMessages has messages lost, first with others heard between them, which is
// no problem, and then one after the other, which is.
func TestUnheardMessages(t *testing.T) {
	const check = time.Second
	synctest.Test(t, func(t *testing.T) {
		store := NewStore(1, Options{})
		b := follow.New(store.Port("a"), follow.Options{Check: check})
		defer closeBroker(t, b)
		r := &counter{}
		if _, err := b.Subscribe(context.Background(), "a", r); err != nil {
			t.Fatal(err)
		}
		published := 0
		publish := func(heard bool) {
			t.Helper()
			store.mu.Lock()
			for c := range store.subscribers {
				if !heard {
					c.lose = 1
				}
			}
			store.mu.Unlock()
			publishText(t, b, "x")
			published++
			time.Sleep(2*check + check/2) // one check finds it, the next sees that it wasn't heard
			synctest.Wait()
			if r.got != published {
				t.Fatalf("%d messages came of %d", r.got, published)
			}
		}
		for range 9 {
			publish(false)
			publish(true)
			if err := b.Health(context.Background()); err != nil {
				t.Fatalf("health after a lost message: %v", err)
			}
		}
		for range 3 {
			publish(false)
		}
		if err := b.Health(context.Background()); err == nil {
			t.Error("only lost messages are healthy")
		}
		publish(true)
		time.Sleep(10 * time.Second)
		if err := b.Health(context.Background()); err != nil {
			t.Errorf("health in the end: %v", err)
		}
	})
}

// counter counts messages.
type counter struct{ got int }

func (c *counter) Receive(*push.Message) { c.got++ }
func (c *counter) Break(broker.Gap)      {}
