package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// RunStore runs the suite for brokers that are a push.Store as well.
func RunStore(t *testing.T, newBroker New) {
	tests := []struct {
		name string
		run  func(*testing.T, storeBroker)
	}{
		{"ValuesArriveWhole", testStoredValues},
		{"ValueIsTakenOnce", testTake},
		{"ValueIsTakenByOne", testTakeConcurrently},
		{"ValueIsReplaced", testPutAgain},
		{"ValuesExpire", testValuesExpire},
		{"SetsAreApart", testSetsAreApart},
		{"ClosedStoreRefuses", testClosedStore},
		{"ReservedTopicsAreNotForAll", testReservedTopics},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, ok := open(t, newBroker, Config{}).(storeBroker)
			if !ok {
				t.Fatal("the broker is no push.Store")
			}
			test.run(t, b)
		})
	}
}

type storeBroker interface {
	push.Broker
	push.Store
}

func put(t *testing.T, s push.Store, set, key, value string, ttl time.Duration) {
	t.Helper()
	if err := s.Put(t.Context(), set, key, []byte(value), ttl); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

// wantTaken fails unless taking the key gives a value; "" is none.
func wantTaken(t *testing.T, s push.Store, set, key, want string) {
	t.Helper()
	got, err := s.Take(t.Context(), set, key)
	if err != nil || string(got) != want || (got == nil) != (want == "") {
		t.Errorf("Take %s %q gives %q, %v, want %q", set, key, got, err, want)
	}
}

// wantAll fails unless a set has exactly these values.
func wantAll(t *testing.T, s push.Store, set string, want map[string]string) {
	t.Helper()
	all, err := s.All(t.Context(), set)
	if err != nil || len(all) != len(want) {
		t.Errorf("All %s gives %d values, %v, want %d", set, len(all), err, len(want))
	}
	for key, value := range want {
		if string(all[key]) != value {
			t.Errorf("%s has %q at %q, want %q", set, all[key], key, value)
		}
	}
}

func testStoredValues(t *testing.T, s storeBroker) {
	want := map[string]string{}
	value := make([]byte, 256)
	for i := range value {
		value[i] = byte(i)
	}
	for _, key := range []string{"a", `{"user":"ü\n"}`, "\x00\xff", "a b", "*"} {
		want[key] = key + " " + string(value)
		put(t, s, "s", key, want[key], time.Minute)
	}
	mine := []byte("before")
	if err := s.Put(t.Context(), "s", "mine", mine, time.Minute); err != nil {
		t.Fatal(err)
	}
	copy(mine, "after!")
	want["mine"] = "before"
	wantAll(t, s, "s", want)
	for key, value := range want {
		wantTaken(t, s, "s", key, value)
	}
	wantAll(t, s, "s", nil)
	if err := s.Put(t.Context(), "s", "a", nil, 0); !errors.Is(err, push.ErrBadRequest) {
		t.Errorf("Put for no time: %v", err)
	}
}

func testTake(t *testing.T, s storeBroker) {
	wantTaken(t, s, "s", "a", "")
	put(t, s, "s", "a", "1", time.Minute)
	put(t, s, "s", "b", "2", time.Minute)
	wantTaken(t, s, "s", "a", "1")
	wantTaken(t, s, "s", "a", "")
	wantAll(t, s, "s", map[string]string{"b": "2"})
}

func testTakeConcurrently(t *testing.T, s storeBroker) {
	for i := range 50 {
		key := fmt.Sprint(i)
		put(t, s, "s", key, "x", time.Minute)
		var wait sync.WaitGroup
		var got [8][]byte
		for j := range got {
			wait.Go(func() {
				value, err := s.Take(t.Context(), "s", key)
				if err != nil {
					t.Errorf("Take: %v", err)
				}
				got[j] = value
			})
		}
		wait.Wait()
		if n := len(bytes.Join(got[:], nil)); n != 1 {
			t.Fatalf("%d callers got it", n)
		}
	}
}

func testPutAgain(t *testing.T, s storeBroker) {
	put(t, s, "s", "a", "1", 50*time.Millisecond)
	put(t, s, "s", "a", "2", time.Minute)
	put(t, s, "s", "b", "1", time.Minute)
	put(t, s, "s", "b", "2", 50*time.Millisecond)
	testaid.Eventually(t, "the end of the shorter", func() bool {
		all, err := s.All(t.Context(), "s")
		return err == nil && all["b"] == nil
	})
	put(t, s, "s", "c", "3", time.Minute) // which forgets what has expired
	wantAll(t, s, "s", map[string]string{"a": "2", "c": "3"})
	wantTaken(t, s, "s", "a", "2")
	wantTaken(t, s, "s", "b", "")
}

func testValuesExpire(t *testing.T, s storeBroker) {
	put(t, s, "s", "stays", "x", time.Minute)
	for i := range 300 {
		put(t, s, "s", fmt.Sprint(i), "x", 100*time.Millisecond)
	}
	testaid.Eventually(t, "expiry", func() bool {
		all, err := s.All(t.Context(), "s")
		return err == nil && len(all) == 1 && all["stays"] != nil
	})
	wantTaken(t, s, "s", "0", "")
	wantTaken(t, s, "s", "stays", "x")
	put(t, s, "alone", "a", "x", 50*time.Millisecond)
	testaid.Eventually(t, "expiry of a set", func() bool {
		all, err := s.All(t.Context(), "alone")
		return err == nil && len(all) == 0
	})
}

func testSetsAreApart(t *testing.T, s storeBroker) {
	put(t, s, "s", "a", "1", time.Minute)
	put(t, s, "t", "a", "2", time.Minute)
	publish(t, s, text("s", "a message of the same name"))
	wantAll(t, s, "s", map[string]string{"a": "1"})
	wantTaken(t, s, "t", "a", "2")
	wantTaken(t, s, "s", "a", "1")
}

func testClosedStore(t *testing.T, s storeBroker) {
	put(t, s, "s", "a", "1", time.Minute)
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, takeErr := s.Take(t.Context(), "s", "a")
	_, allErr := s.All(t.Context(), "s")
	for what, err := range map[string]error{
		"Put": s.Put(t.Context(), "s", "a", nil, time.Minute), "Take": takeErr, "All": allErr,
	} {
		if !errors.Is(err, push.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// testReservedTopics has what hubs alone may publish to.
func testReservedTopics(t *testing.T, s storeBroker) {
	topic := push.ReservedTopicPrefix + "test"
	if _, err := s.Publish(t.Context(), text(topic, "x")); !errors.Is(err, push.ErrBadRequest) {
		t.Errorf("Publish: %v", err)
	}
	_, at := subscribe(t, s, topic)
	if page := recent(t, s, topic, 1); page.Head != at || len(page.Messages) != 0 {
		t.Errorf("Recent gives %+v, subscribed at %+v", page, at)
	}
	if page := since(t, s, topic, at, push.Limit{}); page.Head != at || page.Gap != "" {
		t.Errorf("Since gives %+v, subscribed at %+v", page, at)
	}
}
