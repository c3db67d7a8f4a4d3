package membroker_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

func TestBroker(t *testing.T) {
	brokertest.Run(t, backend)
}

// backend is a process: its instances are hubs on one and the same broker.
func backend(_ testing.TB, o brokertest.Options) brokertest.Backend {
	b := membroker.New(membroker.Options{History: o.History, Topics: o.Topics, MaxMessage: o.MaxMessage, Retry: o.Retry})
	return brokertest.Backend{
		Instance: func(testing.TB) push.Broker { return b },
		Cost:     func(testing.TB) map[string]int { return map[string]int{"topics": b.Topics()} },
		Lacks: map[brokertest.Capability]string{
			brokertest.Apart:   "the hubs of a process share one broker, and closing it closes it for all",
			brokertest.Lose:    "a message is handed to its receivers within Publish",
			brokertest.Cut:     "there is no connection",
			brokertest.Restart: "the data end with the process",
			brokertest.Fork:    "a memory broker has no other branch",
			brokertest.Erase:   "the data end with the process, and so do all hubs; see TestAnotherBrokerHasOtherEpochs",
		},
	}
}

func head(t *testing.T, b *membroker.Broker, topic string) broker.Position {
	t.Helper()
	page, err := b.Recent(t.Context(), topic, broker.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	return page.Head
}

func TestMessageIDIsForgottenAfterTheRetryWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		m := push.Message{Topic: "a", ID: "once", Data: []byte("x")}
		publish := func(wantDuplicate bool) {
			t.Helper()
			receipt, err := b.Publish(t.Context(), m)
			if err != nil || receipt.Duplicate != wantDuplicate {
				t.Errorf("after %v: %+v, %v", time.Since(time.Time{}), receipt, err)
			}
		}
		publish(false)
		time.Sleep(5*time.Minute - time.Second)
		publish(true)
		time.Sleep(time.Second)
		publish(false)
	})
}

func TestIdleTopicKeepsItsPlaceForTwoDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		if _, err := b.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		first := head(t, b, "a")
		time.Sleep(47 * time.Hour)
		if again := head(t, b, "a"); again != first {
			t.Errorf("after 47 hours: %+v, was %+v", again, first)
		}
		time.Sleep(49 * time.Hour)
		if again := head(t, b, "a"); again.Offset != 0 {
			t.Errorf("after 49 idle hours it is still at %+v", again)
		}
		if kept := b.Keep(); kept != 48*time.Hour {
			t.Errorf("it is told that %v are kept", kept)
		}
	})
}

func TestFollowedTopicIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		at, err := b.Subscribe(t.Context(), "a", receiver{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(72 * time.Hour)
		if now := head(t, b, "a"); now != at {
			t.Errorf("after 72 hours: %+v, was %+v", now, at)
		}
	})
}

func TestManyShortLivedTopicsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New(membroker.Options{Keep: time.Hour})
		defer b.Close(context.Background())
		for i := range 1000 {
			if _, err := b.Publish(t.Context(), push.Message{Topic: fmt.Sprint("t", i), Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.Topics(); n != 1000 {
			t.Fatalf("%d topics", n)
		}
		time.Sleep(2 * time.Hour)
		if n := b.Topics(); n != 0 {
			t.Errorf("%d topics are left", n)
		}
	})
}

// TestTopicsThatNobodyPublishesToCostNothing has clients that ask for whatever comes
// to their mind. Their cursors stay good all the same.
func TestTopicsThatNobodyPublishesToCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		at, err := b.Subscribe(t.Context(), "a", receiver{})
		if err != nil {
			t.Fatal(err)
		}
		b.Unsubscribe("a", receiver{})
		for i := range 1000 {
			name := fmt.Sprint("t", i)
			head(t, b, name)
			if _, err := b.Since(t.Context(), name, at, broker.Limit{}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Subscribe(t.Context(), name, receiver{}); err != nil {
				t.Fatal(err)
			}
			b.Unsubscribe(name, receiver{})
		}
		if n := b.Topics(); n != 0 {
			t.Errorf("%d topics are left", n)
		}
		time.Sleep(time.Hour)
		if _, err := b.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		page, err := b.Since(t.Context(), "a", at, broker.Limit{})
		if err != nil || page.Gap != "" || len(page.Messages) != 1 {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

type receiver struct{}

func (receiver) Receive(*push.Message) {}
func (receiver) Break(broker.Gap)      {}

// TestPublishAllocates holds the cost of a publish: the message, its data and its ID.
func TestPublishAllocates(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{})
	defer hub.Shutdown(context.Background())
	m := push.Message{Topic: "a", Data: make([]byte, 128)}
	publish := func() {
		if _, err := hub.Publish(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(5000, publish); n > 3 {
		t.Errorf("%v allocations", n)
	}
}

// TestCloseWhilePublishing has topics come while the broker closes.
func TestCloseWhilePublishing(t *testing.T) {
	b := membroker.New()
	var publishers sync.WaitGroup
	for p := range 4 {
		publishers.Go(func() {
			for i := 0; ; i++ {
				_, err := b.Publish(context.Background(), push.Message{Topic: fmt.Sprintf("%d/%d", p, i), Data: []byte("x")})
				if errors.Is(err, push.CodeUnavailable) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for b.Topics() < 100 {
		runtime.Gosched()
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	publishers.Wait()
	if n := b.Topics(); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}

// TestAnotherBrokerHasOtherEpochs has a process that begins anew.
func TestAnotherBrokerHasOtherEpochs(t *testing.T) {
	if first, second := head(t, membroker.New(), "a"), head(t, membroker.New(), "a"); first == second {
		t.Errorf("both are at %+v", first)
	}
}

func TestTwoOptionsPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("one of two Options is dropped")
		}
	}()
	membroker.New(membroker.Options{}, membroker.Options{Retry: time.Hour})
}
