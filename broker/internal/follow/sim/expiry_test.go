package sim

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

const (
	soon     = time.Second
	maxDelay = 100 * time.Millisecond // of a call, there and back
)

// ends is a receiver that notes when keys are deleted.
type ends struct {
	mu   sync.Mutex
	keys map[string]time.Time
}

func (r *ends) Receive(m *push.Message) {
	if m.Op == broker.OpDelete {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keys[m.Key] = time.Now() //clock:virtual the tests run in it
	}
}

func (r *ends) Break(broker.Gap) {}

// count counts the keys that were deleted.
func (r *ends) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys)
}

// late fails unless a key was deleted soon after a time.
func (r *ends) late(t *testing.T, key string, due time.Time, most time.Duration) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ended := r.keys[key]; !ended || at.Before(due) || at.After(due.Add(most)) {
		t.Errorf("%q ended at %v (%v), and was due at %v", key, at, ended, due)
	}
}

// statesOn is a store all of whose topics are states, and instances on it.
func statesOn(t *testing.T, names ...string) (store *Store, brokers []*follow.Broker, ports []*Port) {
	t.Helper()
	store = NewStore(1, Options{Topics: []push.TopicRule{{Pattern: "{any...}", State: true}}})
	store.faults.delay = maxDelay / 2
	for _, name := range names {
		port := store.Port(name)
		b := follow.New(port, follow.Options{Instance: name, Rules: store.rules})
		t.Cleanup(func() { closeBroker(t, b) })
		ports, brokers = append(ports, port), append(brokers, b)
	}
	return store, brokers, ports
}

func change(t *testing.T, b *follow.Broker, op broker.Op, key string, ttl time.Duration) time.Time {
	t.Helper()
	if _, err := b.Publish(context.Background(), push.Message{Topic: "a", Key: key, Op: op, TTL: ttl}); err != nil {
		t.Fatal(err)
	}
	return time.Now().Add(ttl) //clock:virtual the tests run in it
}

func followEnds(t *testing.T, b *follow.Broker) *ends {
	t.Helper()
	r := &ends{keys: map[string]time.Time{}}
	if _, err := b.Subscribe(context.Background(), "a", r); err != nil {
		t.Fatal(err)
	}
	return r
}

// calls counts those that an instance has made.
func (p *Port) count(what string) int {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	return p.calls[what] / 2
}

// TestKeysEndInTime has keys that are set while they are followed, and some that are touched
// by an instance that follows nothing.
func TestKeysEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers, _ := statesOn(t, "a", "b", "publisher")
		publisher := brokers[2]
		change(t, publisher, broker.OpSet, "shortened", time.Hour)
		change(t, publisher, broker.OpSet, "limited", -1)
		kept := change(t, publisher, broker.OpSet, "prolonged", 10*time.Second)
		followers := []*ends{followEnds(t, brokers[0]), followEnds(t, brokers[1])}
		due := map[string]time.Time{
			"appended":  change(t, publisher, broker.OpAppend, "appended", 1501*time.Millisecond),
			"shortened": change(t, publisher, broker.OpTouch, "shortened", 20*time.Second),
			"limited":   change(t, publisher, broker.OpTouch, "limited", 30*time.Second),
			"prolonged": change(t, publisher, broker.OpTouch, "prolonged", 40*time.Second),
		}
		time.Sleep(time.Until(kept) + soon)
		for _, f := range followers {
			if n := f.count(); n != 1 {
				t.Errorf("after ten seconds %d have ended", n)
			}
		}
		for i := range 10 { // between two comparisons of heads
			key := fmt.Sprint("brief", i)
			due[key] = change(t, publisher, broker.OpSet, key, 100*time.Millisecond)
			time.Sleep(1300 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		for key, at := range due {
			for _, f := range followers {
				f.late(t, key, at.Add(-maxDelay), soon+maxDelay)
			}
		}
	})
}

// TestKeysOfBeforeEndInTime has keys that end right after somebody follows.
func TestKeysOfBeforeEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers, _ := statesOn(t, "a", "publisher")
		for i := range 10 {
			key := fmt.Sprint(i)
			due := change(t, brokers[1], broker.OpSet, key, time.Second)
			f := followEnds(t, brokers[0])
			time.Sleep(time.Until(due) + 10*soon + time.Duration(i)*300*time.Millisecond)
			f.late(t, key, due.Add(-maxDelay), soon+maxDelay)
			brokers[0].Unsubscribe("a", f)
		}
	})
}

// TestLostCallsForTheEndOfKeysAreMadeAgain has the first call of each instance fail.
func TestLostCallsForTheEndOfKeysAreMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, brokers, _ := statesOn(t, "a", "publisher")
		f := followEnds(t, brokers[0])
		for i := range 10 {
			key := fmt.Sprint(i)
			due := change(t, brokers[1], broker.OpSet, key, 5*time.Second+time.Duration(i)*300*time.Millisecond)
			time.Sleep(time.Until(due))
			store.mu.Lock()
			store.faults.before = 1
			store.mu.Unlock()
			time.Sleep(10 * soon)
			f.late(t, key, due.Add(-maxDelay), 3*soon/2+2*maxDelay)
		}
	})
}

// TestTouchForAMomentEndsAKey is shorter than the time between two comparisons of heads.
func TestTouchForAMomentEndsAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers, _ := statesOn(t, "a", "publisher")
		f := followEnds(t, brokers[0])
		change(t, brokers[1], broker.OpSet, "k", -1)
		time.Sleep(time.Minute)
		due := change(t, brokers[1], broker.OpTouch, "k", time.Millisecond)
		time.Sleep(time.Minute)
		f.late(t, "k", due.Add(-maxDelay), 3*soon)
	})
}

// TestManyKeysEndTogether has more keys than end in one step.
func TestManyKeysEndTogether(t *testing.T) {
	const keys = 1000
	synctest.Test(t, func(t *testing.T) {
		_, brokers, _ := statesOn(t, "a", "publisher")
		f := followEnds(t, brokers[0])
		start := time.Now()
		var publishing sync.WaitGroup
		for i := range keys {
			publishing.Go(func() { change(t, brokers[1], broker.OpSet, fmt.Sprint(i), time.Minute) })
		}
		publishing.Wait()
		time.Sleep(2 * time.Minute)
		for i := range keys {
			f.late(t, fmt.Sprint(i), start.Add(time.Minute), 2*time.Second)
		}
	})
}

// TestStatesAskForNothing counts the calls for the end of keys: none for a state that nobody
// has changed, few without deadlines, and none once nobody follows.
func TestStatesAskForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers, ports := statesOn(t, "a", "publisher")
		f := followEnds(t, brokers[0])
		time.Sleep(time.Hour)
		if n := ports[0].count("expire a"); n != 0 {
			t.Errorf("%d calls for a state that nobody has changed", n)
		}
		for i := range 100 {
			change(t, brokers[1], broker.OpSet, fmt.Sprint(i), -1)
			time.Sleep(time.Second)
		}
		if n := ports[0].count("expire a"); n > 1 {
			t.Errorf("%d calls for a state without deadlines", n)
		}
		change(t, brokers[1], broker.OpSet, "k", time.Hour)
		time.Sleep(time.Minute)
		before := ports[0].count("expire a")
		brokers[0].Unsubscribe("a", f)
		time.Sleep(2 * time.Hour)
		if n := ports[0].count("expire a"); n != before {
			t.Errorf("%d calls after nobody follows", n-before)
		}
		followEnds(t, brokers[0])
		change(t, brokers[1], broker.OpSet, "k", time.Minute)
		time.Sleep(time.Second)
		closeBroker(t, brokers[0])
		before = ports[0].count("expire a")
		time.Sleep(time.Hour)
		if n := ports[0].count("expire a"); n != before {
			t.Errorf("%d calls after Close", n-before)
		}
	})
}

// TestKeysMayStayVeryLong has a key with the longest time to live that there is. The topic is
// read every twelve hours, which asks as well.
func TestKeysMayStayVeryLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers, ports := statesOn(t, "a", "publisher")
		f := followEnds(t, brokers[0])
		change(t, brokers[1], broker.OpSet, "k", math.MaxInt64)
		time.Sleep(36 * time.Hour)
		if n := ports[0].count("expire a"); n > 5 || f.count() > 0 {
			t.Errorf("%d calls in a day and a half; %d have ended", n, f.count())
		}
	})
}

// TestKeysThatAreProlongedCostFewCalls has a hundred keys that are touched every three
// seconds and end ten seconds after.
func TestKeysThatAreProlongedCostFewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers, ports := statesOn(t, "a", "publisher")
		f := followEnds(t, brokers[0])
		for range 100 {
			for i := range 10 {
				change(t, brokers[1], broker.OpSet, fmt.Sprint(i), 10*time.Second)
			}
			time.Sleep(3 * time.Second)
		}
		if n := ports[0].count("expire a"); n > 60 {
			t.Errorf("%d calls in five minutes", n)
		}
		if f.count() > 0 {
			t.Errorf("%d have ended", f.count())
		}
	})
}
