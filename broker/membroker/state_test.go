package membroker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// keeper is a broker all of whose topics are states.
func keeper() *membroker.Broker {
	return membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "{any...}", State: true}}, Keep: time.Hour})
}

// times is a receiver that notes when each change came.
type times struct{ at []time.Duration }

var born = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of a bubble

func (r *times) Receive(*push.Message) { r.at = append(r.at, time.Since(born)) } //clock:virtual the tests run in it
func (r *times) Break(broker.Gap)      {}

// TestKeysEndOnTime has keys that are renewed, ended sooner, and end together.
func TestKeysEndOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := keeper()
		defer b.Close(context.Background())
		change := func(op broker.Op, key string, ttl time.Duration) {
			t.Helper()
			if _, err := b.Publish(t.Context(), push.Message{Topic: "a", Key: key, Op: op, TTL: ttl}); err != nil {
				t.Fatal(err)
			}
		}
		change(broker.OpSet, "soon", time.Hour)
		change(broker.OpSet, "later", time.Minute)
		change(broker.OpSet, "with it", 10*time.Minute)
		change(broker.OpSet, "for ever", time.Minute)
		var r times
		if _, err := b.Subscribe(t.Context(), "a", &r); err != nil {
			t.Fatal(err)
		}
		change(broker.OpTouch, "soon", time.Second)
		change(broker.OpTouch, "later", 10*time.Minute)
		change(broker.OpTouch, "for ever", -1)
		time.Sleep(100 * 24 * time.Hour)
		if len(r.at) != 3 || r.at[0] != time.Second || r.at[1] != 10*time.Minute || r.at[2] != 10*time.Minute {
			t.Errorf("they ended after %v", r.at)
		}
		if page, err := b.State(t.Context(), "a"); err != nil || len(page.Messages) != 1 {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

// TestStateStaysForEver isn't read by anybody for a hundred times as long as an empty topic
// is kept; the empty one goes.
func TestStateStaysForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := keeper()
		defer b.Close(context.Background())
		for _, topic := range []string{"kept", "emptied"} {
			if _, err := b.Set(t.Context(), push.Message{Topic: topic, Key: "k", Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Delete(t.Context(), push.Message{Topic: "emptied", Key: "k"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Hour)
		if n := b.Topics(); n != 1 {
			t.Errorf("%d topics are left", n)
		}
		page, err := b.State(t.Context(), "kept")
		if err != nil || len(page.Messages) != 1 || page.Head.Offset != 1 {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

// TestNothingEndsAfterClose has a key that would.
func TestNothingEndsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := keeper()
		var r times
		if _, err := b.Subscribe(t.Context(), "a", &r); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Set(t.Context(), push.Message{Topic: "a", Key: "k", TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if len(r.at) != 1 {
			t.Errorf("changes came after %v", r.at)
		}
	})
}
