package session_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

func newStateWorld(t *testing.T, options push.Options) (*world, *stateFormat) {
	t.Helper()
	b := membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true}}})
	return newWorld(t, b, options), &stateFormat{}
}

func (w *world) set(key, value string) {
	w.t.Helper()
	if _, err := w.hub.Set(w.t.Context(), push.Message{Topic: "s/a", Key: key, Data: []byte(value)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) appendTo(key, value string) {
	w.t.Helper()
	if _, err := w.hub.Append(w.t.Context(), push.Message{Topic: "s/a", Key: key, Data: []byte(value)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deleteKey(key string) {
	w.t.Helper()
	if _, err := w.hub.Delete(w.t.Context(), push.Message{Topic: "s/a", Key: key}); err != nil {
		w.t.Fatal(err)
	}
}

// TestStateIsASnapshotAndChanges: a client without a cursor gets the map, and then what
// changes.
func TestStateIsASnapshotAndChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		defer w.shutdown()
		w.set("a", "1")
		w.set("b", "2")
		c := newStateClient()
		w.followState(format, c)
		synctest.Wait()
		w.wantMap("the snapshot", c)
		w.set("a", "3")
		w.deleteKey("b")
		w.appendTo("a", "45")
		w.appendTo("c", "new")
		synctest.Wait()
		w.wantMap("after changes", c)
		if len(c.values) != 2 || c.values["a"] != "345" || c.resets != 0 {
			t.Errorf("%v, %d resets", c.values, c.resets)
		}
	})
}

// TestStateOfNothingIsSynced: a client knows that there is nothing.
func TestStateOfNothingIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		defer w.shutdown()
		c := newStateClient()
		w.followState(format, c)
		synctest.Wait()
		w.wantMap("nothing", c)
		if c.cursor == "" {
			t.Error("no cursor")
		}
	})
}

// TestStateResumes: a client that comes back gets what has changed since, deletes too, and
// of text that was appended to only the rest.
func TestStateResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		defer w.shutdown()
		for i := range 100 {
			w.set(fmt.Sprint("k", i), "x")
		}
		w.set("text", "so far")
		c := newStateClient()
		s, _ := w.followState(format, c)
		synctest.Wait()
		s.Close(nil)
		<-s.Done()
		w.deleteKey("k1")
		w.set("k2", "y")
		w.appendTo("text", ", so")
		w.appendTo("text", " good")
		changes := c.changes
		s, _ = w.followState(format, c)
		synctest.Wait()
		w.wantMap("resumed", c)
		if got := c.changes - changes; got != 3 || c.resets != 0 {
			t.Errorf("%d changes, %d resets", got, c.resets)
		}
		s.Close(nil)
		<-s.Done()
		changes = c.changes
		w.followState(format, c)
		synctest.Wait()
		w.wantMap("nothing missed", c)
		if c.changes != changes || c.resets != 0 {
			t.Errorf("%d changes, %d resets for nothing", c.changes-changes, c.resets)
		}
	})
}

// TestStateOfABadPlaceIsReset: a client whose place can't be proven gets all again.
func TestStateOfABadPlaceIsReset(t *testing.T) {
	for name, cursor := range map[string]string{"garbage": "nonsense", "another topic": "AQ"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, format := newStateWorld(t, push.Options{})
				defer w.shutdown()
				w.set("a", "1")
				c := newStateClient()
				c.values["old"], c.cursor = "x", cursor
				w.followState(format, c)
				synctest.Wait()
				w.wantMap("reset", c)
				if c.resets != 1 {
					t.Errorf("%d resets", c.resets)
				}
			})
		})
	}
}

// TestStateIsResetPastHistory: history no longer has what the client has missed.
func TestStateIsResetPastHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		defer w.shutdown()
		w.set("a", "1")
		w.set("gone", "1")
		c := newStateClient()
		s, _ := w.followState(format, c)
		synctest.Wait()
		s.Close(nil)
		<-s.Done()
		w.deleteKey("gone")
		for i := range 3000 {
			w.set(fmt.Sprint("k", i%10), fmt.Sprint(i))
		}
		w.followState(format, c)
		synctest.Wait()
		w.wantMap("reset", c)
		if c.resets != 1 {
			t.Errorf("%d resets", c.resets)
		}
	})
}

// TestKindsArentMixed: a client has to know what it follows.
func TestKindsArentMixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		defer w.shutdown()
		for name, test := range map[string]struct {
			format session.Format
			follow session.Follow
			want   push.Code
		}{
			"a state as a log":    {format, session.Follow{Topic: "s/a"}, push.CodeWrongKind},
			"a log as a state":    {format, session.Follow{Topic: "log", State: true}, push.CodeWrongKind},
			"a format of logs":    {w.format, session.Follow{Topic: "s/a", State: true}, push.CodeWrongKind},
			"the last of a state": {format, session.Follow{Topic: "s/a", State: true, Recent: 3}, push.CodeBadRequest},
		} {
			s, err := session.Of(w.hub).Open(session.Client{Format: test.format, Conn: newConn()})
			if err != nil {
				t.Fatal(err)
			}
			var got push.Code
			s.Subscribe(t.Context(), []session.Follow{test.follow}, func(answers []session.Followed) *session.Frame {
				got = answers[0].Err.Code
				return nil
			})
			if got != test.want {
				t.Errorf("%s: %s", name, got)
			}
		}
		if _, err := session.Of(w.hub).Deliver(push.Message{Topic: "s/a"}, format); push.AsError(err).Code != push.CodeWrongKind {
			t.Errorf("a message past the broker: %v", err)
		}
	})
}

// TestSlowReaderOfAStateStays: a client that reads far less than changes gets the newest
// value of each key, is never cut, and holds no more than the map.
func TestSlowReaderOfAStateStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{QueueMessages: 8, QueueBytes: 128 << 10})
		defer w.shutdown()
		slow, fast := newStateClient(), newStateClient()
		slow.pause = func() time.Duration { return time.Second }
		w.followState(format, slow)
		w.followState(format, fast)
		time.Sleep(time.Minute) //clock:virtual // both are in step
		for i := range 20_000 {
			w.set(fmt.Sprint("k", i%100), fmt.Sprint(i))
			if i%10 == 0 {
				time.Sleep(time.Millisecond) //clock:virtual
			}
		}
		time.Sleep(time.Minute) //clock:virtual
		synctest.Wait()
		w.wantMap("slow", slow)
		w.wantMap("fast", fast)
		if slow.resets != 0 || fast.resets != 0 || w.hub.Stats().Sessions != 2 {
			t.Errorf("%d and %d resets, %d sessions", slow.resets, fast.resets, w.hub.Stats().Sessions)
		}
		if slow.changes > 1000 {
			t.Errorf("a slow client got %d changes", slow.changes)
		}
		if w.hub.Stats().Lagged == 0 {
			t.Error("nobody lagged")
		}
	})
}

// TestWhatASlowReaderGetsIsNew: a client that reads 10 kB a second, over a connection that
// can't be written without waiting, gets values that are no older than it takes to read the map
// and what is being written. No write is so long that it would time out.
func TestWhatASlowReaderGetsIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		defer w.shutdown()
		const keys, rate = 200, 10_000
		value := func() string { return fmt.Sprintf("%060d", time.Now().UnixNano()) }
		for i := range keys {
			w.set(fmt.Sprintf("%04d", i), value())
		}
		sized := newStateClient()
		w.followState(format, sized)
		synctest.Wait()
		slow := newStateClient()
		slow.rate = rate
		var oldest time.Duration
		slow.changed = func(key string) {
			at, err := strconv.ParseInt(slow.values[key], 10, 64)
			if err != nil {
				t.Error(err)
			}
			oldest = max(oldest, time.Duration(time.Now().UnixNano()-at))
		}
		w.followState(format, slow)
		time.Sleep(time.Minute) //clock:virtual // it has all: it is in step when the burst begins
		slow.mu.Lock()
		oldest = 0
		slow.mu.Unlock()
		bound := time.Duration(sized.bytes+16<<10)*time.Second/rate + time.Second
		for i := range 20_000 {
			w.set(fmt.Sprintf("%04d", i*7%keys), value())
			if i%20 == 0 {
				time.Sleep(10 * time.Millisecond) //clock:virtual
			}
		}
		time.Sleep(time.Minute) //clock:virtual
		synctest.Wait()
		w.wantMap("slow", slow)
		slow.mu.Lock()
		defer slow.mu.Unlock()
		if oldest > bound || slow.slowest > 4*time.Second || slow.resets != 0 {
			t.Errorf("a value was %v old, want at most %v; a write took %v; %d resets", oldest, bound, slow.slowest, slow.resets)
		}
	})
}

// TestIntervalJoinsChanges: clients are told of what changes within a rule's interval at
// once, of each key the newest.
func TestIntervalJoinsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New(membroker.Options{Topics: []push.TopicRule{
			{Pattern: "s/{x}", State: true, Interval: 500 * time.Millisecond},
		}})
		w, format := newWorld(t, b, push.Options{}), &stateFormat{}
		defer w.shutdown()
		c := newStateClient()
		w.followState(format, c)
		synctest.Wait()
		frames := c.frames
		for i := range 1000 {
			w.set(fmt.Sprint("k", i%10), fmt.Sprint(i))
			time.Sleep(2 * time.Millisecond) //clock:virtual
		}
		time.Sleep(time.Second) //clock:virtual
		synctest.Wait()
		w.wantMap("in intervals", c)
		if got := c.frames - frames; got < 4 || got > 6 {
			t.Errorf("%d frames in two seconds", got)
		}
		w.set("last", "one") // and the hub shuts down while this waits
		w.set("last", "two")
	})
}

// TestNoKeyStarves: a key that changes all the time doesn't keep the others from a slow
// client, nor is it kept from it.
func TestNoKeyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		defer w.shutdown()
		for i := range 1000 {
			w.set(fmt.Sprint("cold", i), fmt.Sprintf("%0100d", 0))
		}
		slow := newStateClient()
		slow.pause = func() time.Duration { return 100 * time.Millisecond }
		w.followState(format, slow)
		var hot []uint64
		for i := range 10_000 {
			w.set("hot", fmt.Sprint(i))
			w.set(fmt.Sprint("cold", i%1000), fmt.Sprintf("%0100d", i))
			time.Sleep(time.Millisecond) //clock:virtual
			slow.mu.Lock()
			if v := slow.versions["hot"]; len(hot) == 0 || hot[len(hot)-1] != v {
				hot = append(hot, v)
			}
			slow.mu.Unlock()
		}
		if len(hot) < 3 {
			t.Errorf("the hot key was seen %d times", len(hot))
		}
		time.Sleep(time.Minute) //clock:virtual
		synctest.Wait()
		w.wantMap("slow", slow)
	})
}

// TestStateConverges has clients of all kinds come, go, read slowly and come back, while a
// map changes: none ever sees a value before another that is older, and in the end all have
// the map.
func TestStateConverges(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { converge(t, seed) })
		})
	}
}

func converge(t *testing.T, seed uint64) {
	w, format := newStateWorld(t, push.Options{})
	defer w.shutdown()
	r := rand.New(rand.NewPCG(seed, 1))
	keys := 1 + r.IntN(60)
	var wait sync.WaitGroup
	for p := range 3 {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(2+p)))
			for range 300 {
				w.randomChange(t.Context(), r, keys)
				if r.IntN(3) == 0 {
					time.Sleep(rand.N(5 * time.Millisecond)) //clock:virtual
				}
			}
		})
	}
	clients := make([]*stateClient, 8)
	for i := range clients {
		c := newStateClient()
		clients[i] = c
		r := rand.New(rand.NewPCG(seed, uint64(10+i)))
		if i%2 == 0 {
			slowest := time.Duration(1+r.IntN(50)) * time.Millisecond
			c.pause = func() time.Duration { return rand.N(slowest) }
		}
		wait.Go(func() {
			for range r.IntN(5) {
				s, conn := w.followState(format, c)
				time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond) //clock:virtual
				if r.IntN(2) == 0 {
					conn.Abort()
				}
				s.Close(nil)
				<-s.Done()
			}
			w.followState(format, c)
		})
	}
	wait.Wait()
	time.Sleep(10 * time.Second) //clock:virtual
	synctest.Wait()
	for i, c := range clients {
		w.wantMap(fmt.Sprint("client ", i), c)
	}
	w.wantMemory()
}

// TestStatesDontWaitForShards: a change is noted while the shards are far behind with the
// messages of logs, whoever waits for whom.
func TestStatesDontWaitForShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{QueueMessages: -1, QueueBytes: -1})
		defer w.shutdown()
		for range 200 {
			w.subscribe(w.open(newConn()), "", "log")
		}
		var clients []*stateClient
		for range 8 {
			for _, f := range []*stateFormat{format, {}} {
				c := newStateClient()
				w.followState(f, c)
				clients = append(clients, c)
			}
		}
		var wait sync.WaitGroup
		for p := range 4 {
			wait.Go(func() {
				for i := range 1500 {
					if p%2 == 0 {
						w.publish("log", "m")
					} else {
						w.set(fmt.Sprint("k", i%100), fmt.Sprint(i))
					}
				}
			})
		}
		wait.Wait()
		synctest.Wait()
		for i, c := range clients {
			w.wantMap(fmt.Sprint("client ", i), c)
		}
	})
}
