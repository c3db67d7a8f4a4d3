package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

var storeTests = []test{
	{"ValuesArriveWhole", onStore(testStoredValues)},
	{"ValueIsTakenOnce", onStore(testTake)},
	{"ValueIsTakenByOne", onStore(testTakeConcurrently)},
	{"ValueIsReplaced", onStore(testPutAgain)},
	{"OlderNeverReplacesNewer", onStore(testVersions)},
	{"NewestOfManyStays", onStore(testPutConcurrently)},
	{"ValuesExpire", onStore(testValuesExpire)},
	{"SetsAreApart", onStore(testSetsAreApart)},
	{"ClosedStoreRefuses", onStore(testClosedStore)},
	{"ReservedTopicsAreNotForAll", onStore(testReservedTopics)},
}

// onStore runs a test on the backend's instances as one broker with a store.
func onStore(run func(testing.TB, storeBroker)) func(testing.TB, setup) {
	return func(t testing.TB, s setup) {
		brokers := s.backend(t, Options{}).some(t, s.instances)
		stores := make([]storeBroker, len(brokers))
		for i, b := range brokers {
			store, ok := b.(storeBroker)
			if !ok {
				t.Fatal("the broker is no broker.Store")
			}
			stores[i] = store
		}
		run(t, &spreadStore{Broker: spreadOver(brokers), stores: stores})
	}
}

type storeBroker interface {
	push.Broker
	broker.Store
}

// put stores a value that is newer than all before.
func put(t testing.TB, s broker.Store, set, key, value string, ttl time.Duration) {
	t.Helper()
	if there := putVersion(t, s, set, key, value, versions.Add(1), ttl); there != nil {
		t.Fatalf("Put of what is newer gives %+v", there)
	}
}

var versions atomic.Uint64

func putVersion(t testing.TB, s broker.Store, set, key, value string, version uint64, ttl time.Duration) (there *broker.Stored) {
	t.Helper()
	there, err := s.Put(t.Context(), set, key, broker.Stored{Value: []byte(value), Version: version, TTL: ttl})
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return there
}

// wantTaken fails unless taking the key gives a value; "" is none.
func wantTaken(t testing.TB, s broker.Store, set, key, want string) {
	t.Helper()
	got, err := s.Take(t.Context(), set, key)
	if err != nil || string(got) != want || (got == nil) != (want == "") {
		t.Errorf("Take %s %q gives %q, %v, want %q", set, key, got, err, want)
	}
}

// wantAll fails unless a set has exactly these values.
func wantAll(t testing.TB, s broker.Store, set string, want map[string]string) {
	t.Helper()
	all, err := s.All(t.Context(), set)
	if err != nil || len(all) != len(want) {
		t.Errorf("All %s gives %d values, %v, want %d", set, len(all), err, len(want))
	}
	for key, value := range want {
		if string(all[key].Value) != value {
			t.Errorf("%s has %q at %q, want %q", set, all[key].Value, key, value)
		}
	}
}

func testStoredValues(t testing.TB, s storeBroker) {
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
	if _, err := s.Put(t.Context(), "s", "mine", broker.Stored{Value: mine, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	copy(mine, "after!")
	want["mine"] = "before"
	wantAll(t, s, "s", want)
	for key, value := range want {
		wantTaken(t, s, "s", key, value)
	}
	wantAll(t, s, "s", nil)
	for what, v := range map[string]broker.Stored{
		"for no time": {}, "of a version beyond all": {TTL: time.Minute, Version: broker.MaxOffset + 1},
	} {
		if _, err := s.Put(t.Context(), "s", "a", v); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("Put %s: %v", what, err)
		}
	}
}

func testTake(t testing.TB, s storeBroker) {
	wantTaken(t, s, "s", "a", "")
	put(t, s, "s", "a", "1", time.Minute)
	put(t, s, "s", "b", "2", time.Minute)
	wantTaken(t, s, "s", "a", "1")
	wantTaken(t, s, "s", "a", "")
	wantAll(t, s, "s", map[string]string{"b": "2"})
}

func testTakeConcurrently(t testing.TB, s storeBroker) {
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

func testPutAgain(t testing.TB, s storeBroker) {
	put(t, s, "s", "a", "1", 50*time.Millisecond)
	put(t, s, "s", "a", "2", time.Minute)
	put(t, s, "s", "b", "1", time.Minute)
	put(t, s, "s", "b", "2", 50*time.Millisecond)
	testaid.Eventually(t, "the end of the shorter", func() bool {
		all, err := s.All(t.Context(), "s")
		return err == nil && all["b"].Value == nil
	})
	put(t, s, "s", "c", "3", time.Minute) // which forgets what has expired
	wantAll(t, s, "s", map[string]string{"a": "2", "c": "3"})
	wantTaken(t, s, "s", "a", "2")
	wantTaken(t, s, "s", "b", "")
}

// testVersions puts values late, twice, and after the newer one has expired or was
// taken. Versions are compared exactly, up to the last one.
func testVersions(t testing.TB, s storeBroker) {
	for _, first := range []uint64{0, 1, broker.MaxOffset - 1} {
		key := fmt.Sprint(first)
		if there := putVersion(t, s, "s", key, "new", first+1, time.Minute); there != nil {
			t.Fatalf("the first Put gives %+v", there)
		}
		for _, late := range []uint64{first, first + 1} {
			there := putVersion(t, s, "s", key, "late", late, time.Hour)
			if there == nil || string(there.Value) != "new" || there.Version != first+1 || there.TTL <= 0 || there.TTL > time.Minute {
				t.Errorf("Put of version %d after %d gives %+v", late, first+1, there)
			}
		}
		all, err := s.All(t.Context(), "s")
		if v := all[key]; err != nil || string(v.Value) != "new" || v.Version != first+1 || v.TTL <= 0 || v.TTL > time.Minute {
			t.Errorf("All gives %+v, %v", v, err)
		}
		wantTaken(t, s, "s", key, "new")
		if there := putVersion(t, s, "s", key, "old", first, time.Minute); there != nil {
			t.Errorf("Put after the newer one was taken gives %+v", there)
		}
	}
	putVersion(t, s, "s", "short", "new", 2, 50*time.Millisecond)
	testaid.Eventually(t, "the end of the newer", func() bool { return putVersion(t, s, "s", "short", "old", 1, time.Minute) == nil })
	wantTaken(t, s, "s", "short", "old")
}

// testPutConcurrently puts many values at once, in no order: the newest stays.
func testPutConcurrently(t testing.TB, s storeBroker) {
	const n = 50
	var wait sync.WaitGroup
	for i := range uint64(n) {
		wait.Go(func() {
			v := broker.Stored{Value: fmt.Append(nil, i), Version: i, TTL: time.Minute}
			if there, err := s.Put(t.Context(), "s", "a", v); err != nil || there != nil && there.Version <= i {
				t.Errorf("Put of version %d: %+v, %v", i, there, err)
			}
		})
	}
	wait.Wait()
	wantTaken(t, s, "s", "a", fmt.Sprint(n-1))
}

func testValuesExpire(t testing.TB, s storeBroker) {
	put(t, s, "s", "stays", "x", time.Minute)
	for i := range 300 {
		put(t, s, "s", fmt.Sprint(i), "x", 100*time.Millisecond)
	}
	testaid.Eventually(t, "expiry", func() bool {
		all, err := s.All(t.Context(), "s")
		return err == nil && len(all) == 1 && all["stays"].Value != nil
	})
	wantTaken(t, s, "s", "0", "")
	wantTaken(t, s, "s", "stays", "x")
	put(t, s, "alone", "a", "x", 50*time.Millisecond)
	testaid.Eventually(t, "expiry of a set", func() bool {
		all, err := s.All(t.Context(), "alone")
		return err == nil && len(all) == 0
	})
}

func testSetsAreApart(t testing.TB, s storeBroker) {
	put(t, s, "s", "a", "1", time.Minute)
	put(t, s, "t", "a", "2", time.Minute)
	publish(t, s, text("s", "a message of the same name"))
	wantAll(t, s, "s", map[string]string{"a": "1"})
	wantTaken(t, s, "t", "a", "2")
	wantTaken(t, s, "s", "a", "1")
}

func testClosedStore(t testing.TB, s storeBroker) {
	put(t, s, "s", "a", "1", time.Minute)
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, takeErr := s.Take(t.Context(), "s", "a")
	_, allErr := s.All(t.Context(), "s")
	_, putErr := s.Put(t.Context(), "s", "a", broker.Stored{TTL: time.Minute})
	for what, err := range map[string]error{"Put": putErr, "Take": takeErr, "All": allErr} {
		if !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// testReservedTopics uses a topic that only hubs may publish to.
func testReservedTopics(t testing.TB, s storeBroker) {
	topic := broker.ReservedTopicPrefix + "test"
	if _, err := s.Publish(t.Context(), text(topic, "x")); !errors.Is(err, push.CodeBadRequest) {
		t.Errorf("Publish: %v", err)
	}
	_, at := subscribe(t, s, topic)
	if page := recent(t, s, topic, 1); page.Head != at || len(page.Messages) != 0 {
		t.Errorf("Recent gives %+v, subscribed at %+v", page, at)
	}
	if page := since(t, s, topic, at, broker.Limit{}); page.Head != at || page.Gap != "" {
		t.Errorf("Since gives %+v, subscribed at %+v", page, at)
	}
}
