package session_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestRoomComesFromFollowersOfTheTopic: a message that waits for room gets it from those that
// are cut, also if they follow the message's own topic.
func TestRoomComesFromFollowersOfTheTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Limits: push.Limits{Memory: 1 << 20}})
		defer w.shutdown()
		for range 10 {
			s := w.open(newConn())
			w.subscribe(s, "", "a")
			if !s.Keep(70 << 10) {
				t.Fatal("there is no room")
			}
		}
		synctest.Wait()
		empty := session.Of(w.hub).Fill(300 << 10)
		defer empty()
		begun := time.Now()
		if _, err := w.hub.Publish(t.Context(), push.Message{Topic: "a", Data: bytes.Repeat([]byte("x"), 60<<10)}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 0 { // the clock is virtual
			t.Errorf("the publisher waited for %v", took)
		}
		time.Sleep(time.Second)
		if w.hub.Stats().Shed == 0 {
			t.Error("nobody was cut")
		}
	})
}

// TestReadsFitBelowWhatIsCut: while memory holds less than is cut down to, clients come back,
// however much a replay may bring.
func TestReadsFitBelowWhatIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{
			ReplayMessages: 1000, ReplayBytes: 16 << 20, Limits: push.Limits{Memory: 64 << 20},
		})
		defer w.shutdown()
		since := w.cursor("a")
		for i := range 5 {
			w.publish("a", fmt.Sprint(i))
		}
		if !w.open(newConn()).Keep(64 << 20 * 62 / 100) {
			t.Fatal("there is no room")
		}
		c := newConn()
		w.subscribe(w.open(c), since, "a")
		synctest.Wait()
		if got := fmt.Sprint(c.take()); got != "[hello 0 1 2 3 4]" {
			t.Errorf("a client that came back got %s", got)
		}
	})
}

// TestSubscriptionOfASessionThatHasEndedLeavesNothing, also if much was kept for it.
func TestSubscriptionOfASessionThatHasEndedLeavesNothing(t *testing.T) {
	w := newWorld(t, nil, push.Options{})
	w.subscribe(w.open(newConn()), "", "a") // so that the feed stays
	s := w.open(newConn())
	s.Subscribe(t.Context(), []session.Follow{{Topic: "a"}}, func([]session.Followed) *session.Frame {
		for i := range 20 {
			w.publish("a", fmt.Sprint(i))
		}
		for s.Waiting() < 20 {
		}
		s.Close(nil)
		<-s.Done()
		return word("hello")
	})
	w.shutdown() // which looks at what is counted
}

// TestEndOfASessionMayBeDecidedTwice, by instances whose clocks differ.
func TestEndOfASessionMayBeDecidedTwice(t *testing.T) {
	b := membroker.New()
	w := newWorld(t, b, push.Options{})
	defer w.shutdown()
	id := uuid.New()
	at := time.Now().Add(2 * time.Second) // by the clock of the first
	key, err := json.Marshal(map[string]any{"session": id})
	if err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(map[string]any{"session": id, "at": at, "for": 60_000})
	if err != nil {
		t.Fatal(err)
	}
	first := broker.Stored{Value: value, Version: uint64(at.UnixMicro()), TTL: time.Minute}
	if _, err := b.Put(t.Context(), "revocations", string(key), first); err != nil {
		t.Fatal(err)
	}
	if err := w.hub.Revoke(t.Context(), push.Revocation{Session: id.String()}); err != nil {
		t.Errorf("Revoke: %v", err)
	}
}
