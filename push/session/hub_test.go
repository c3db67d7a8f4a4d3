package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

func TestMessageIsEncodedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		conns := make([]*fakeConn, 1000)
		for i := range conns {
			conns[i] = newConn()
			w.subscribe(w.open(conns[i]), "", "a")
		}
		w.publish("a", "m")
		synctest.Wait()
		for i, c := range conns {
			if got := c.take(); got != "[hello m]" {
				t.Fatalf("client %d got %s", i, got)
			}
		}
		if w.format.encoded != 1 {
			t.Errorf("encoded %d times", w.format.encoded)
		}
	})
}

func TestNobodyMayUnlessSomebodySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		hub := push.New(w.broker, push.Options{})
		c := newConn()
		s, err := session.Of(hub).Open(session.Client{Format: w.format, Conn: c})
		if err != nil {
			t.Fatal(err)
		}
		w.subscribe(s, "", "a")
		synctest.Wait()
		if got := c.take(); got != "[hello forbidden]" {
			t.Errorf("got %s", got)
		}
		if _, err := session.Of(hub).Inbound(t.Context(), push.Inbound{Topic: "a"}); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("Inbound: %v", err)
		}
		s.Close(nil)
		<-s.Done()
	})
}

func TestAuthorizeIsAskedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []string
		w := newWorld(t, nil, push.Options{
			Authorize: func(_ context.Context, a push.Access) error {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, fmt.Sprint(a.Identity.User, " ", a.Action, " ", a.Topic))
				return nil
			},
			Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
				return push.Reply{Data: append([]byte("got "), in.Data...)}, nil
			},
		})
		defer w.shutdown()
		s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: newConn(), Identity: push.Identity{User: "u"}})
		if err != nil {
			t.Fatal(err)
		}
		w.subscribe(s, "", "a")
		w.subscribe(s, w.cursor("b"), "b")
		w.subscribe(s, "broken", "c")
		reply, err := session.Of(w.hub).Inbound(t.Context(), push.Inbound{Identity: s.Identity(), Topic: "d", Data: []byte("x")})
		if err != nil || string(reply.Data) != "got x" {
			t.Errorf("reply %+v, %v", reply, err)
		}
		want := "[u follow a u resume b u resume c u send d]"
		if got := fmt.Sprint(asked); got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
	})
}

func TestInboundIsBounded(t *testing.T) {
	called := false
	w := newWorld(t, nil, push.Options{MaxInbound: 10, Receive: func(context.Context, push.Inbound) (push.Reply, error) {
		called = true
		return push.Reply{}, errors.New("secret")
	}})
	defer w.shutdown()
	if _, err := session.Of(w.hub).Inbound(t.Context(), push.Inbound{Topic: "a", Data: []byte("01234567890")}); !errors.Is(err, push.CodeTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := session.Of(w.hub).Inbound(t.Context(), push.Inbound{Topic: "a\n"}); !errors.Is(err, push.CodeBadRequest) {
		t.Errorf("got %v", err)
	}
	if called {
		t.Error("Receive was called")
	}
}

func TestIdentityExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := newConn()
		s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c, Identity: push.Identity{Expires: time.Now().Add(time.Minute)}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(69 * time.Second)
		synctest.Wait()
		if ended, _ := c.end(); ended {
			t.Fatal("ended within the grace")
		}
		time.Sleep(time.Second)
		<-s.Done()
		if _, reason := c.end(); !errors.Is(reason, push.CodeUnauthenticated) {
			t.Errorf("ended with %v", reason)
		}
	})
}

// TestIdentityForever has a time that is further away than a Duration reaches.
func TestIdentityForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		time.Sleep(time.Second) // the hub's clock runs
		c := newConn()
		if _, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c, Identity: push.Identity{
			Expires: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if ended, reason := c.end(); ended {
			t.Errorf("ended with %v", reason)
		}
	})
}

func TestHungHookIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, nil, push.Options{
			Authorize: func(context.Context, push.Access) error { <-release; return nil },
			Identify:  func(*http.Request) (push.Identity, error) { <-release; return push.Identity{}, nil },
		})
		defer w.shutdown()
		defer close(release)
		c := newConn()
		s := w.open(c)
		begin := time.Now()
		w.subscribe(s, "", "a")
		synctest.Wait()
		if got := c.take(); got != "[hello timeout]" || time.Since(begin) != 5*time.Second {
			t.Errorf("after %v: %s", time.Since(begin), got)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://site.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.Of(w.hub).Identify(r); !errors.Is(err, push.CodeTimeout) {
			t.Errorf("Identify: %v", err)
		}
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := newConn()
		s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c, Heartbeat: word("beat"), Interval: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if got := c.take(); got != "[]" {
			t.Errorf("before the announcement came %s", got)
		}
		w.subscribe(s, "", "a")
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if got := c.take(); strings.Count(got, "beat") < 10 || strings.Count(got, "beat") > 11 || !strings.HasPrefix(got, "[hello ") {
			t.Errorf("in 100 s came %s", got)
		}
		s.Close(nil)
		<-s.Done()
		time.Sleep(100 * time.Second)
	})
}

func TestTopicLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{MaxTopics: 3})
		defer w.shutdown()
		c := newConn()
		s := w.open(c)
		w.subscribe(s, "", "a", "b")
		w.subscribe(s, "", "b", "c", "d")
		s.Unsubscribe([]string{"a", "nobody"}, func() *session.Frame { return word("bye") })
		w.subscribe(s, "", "d")
		w.publish("a", "m")
		w.publish("d", "m")
		synctest.Wait()
		if got := c.take(); got != "[hello hello limit_reached bye hello m]" {
			t.Errorf("got %s", got)
		}
		if n := w.hub.Stats().Topics; n != 3 {
			t.Errorf("%d topics", n)
		}
	})
}

func TestShutdownIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{DrainWindow: 4 * time.Second})
		conns := make([]*fakeConn, 10_000)
		for i := range conns {
			conns[i] = newConn()
			w.subscribe(w.open(conns[i]), "", "a")
		}
		w.publish("a", "last")
		begin := time.Now()
		w.shutdown()
		if took := time.Since(begin); took < 3900*time.Millisecond || took > 4100*time.Millisecond {
			t.Errorf("10,000 farewells took %v, want the window of 4 s", took)
		}
		for _, c := range conns {
			if got := c.take(); got != "[hello last reconnect]" {
				t.Fatalf("got %s", got)
			}
			if ended, reason := c.end(); !ended || !errors.Is(reason, push.CodeDraining) {
				t.Fatalf("ended %v with %v", ended, reason)
			}
		}
		if _, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: newConn()}); !errors.Is(err, push.CodeDraining) {
			t.Errorf("Open: %v", err)
		}
	})
}

func TestShutdownCutsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		c := stalledConn()
		w.subscribe(w.open(c), "", "a")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := w.hub.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if ended, _ := c.end(); !ended || time.Since(begin) != time.Second {
			t.Errorf("ended %v after %v", ended, time.Since(begin))
		}
	})
}

// TestFollowersComeAndGo ends with nothing subscribed at the broker. There are so many
// topics that some are pushed out of the linger while others come back to theirs.
func TestFollowersComeAndGo(t *testing.T) {
	broker := &scripted{head: broker.Position{Epoch: 1}}
	w := newWorld(t, broker, push.Options{})
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 200 {
				s := w.open(newConn())
				w.subscribe(s, "", "a", "b", fmt.Sprintf("%d-%d", i, j), fmt.Sprint(j))
				s.Unsubscribe([]string{"a"}, func() *session.Frame { return nil })
				w.subscribe(s, "", "a")
				s.Close(nil)
				<-s.Done()
			}
		})
	}
	wait.Wait()
	w.shutdown()
	if n := broker.subscriptions(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}
