package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// until gives the identity of a user that expires after a time, and may follow topics.
func until(user string, d time.Duration, topics ...any) push.Identity {
	return push.Identity{User: user, Expires: time.Now().Add(d), Claims: append([]any{}, topics...)}
}

// byClaims lets follow what the claims list.
func byClaims(_ context.Context, a push.Access) error {
	if topics, _ := a.Identity.Claims.([]any); !slices.Contains(topics, any(a.Topic)) {
		return push.CodeForbidden
	}
	return nil
}

func (w *world) enter(c *fakeConn, id push.Identity, topics ...string) *session.Session {
	w.t.Helper()
	s, err := session.Of(w.hub).Open(session.Client{Identity: id, Format: w.format, Conn: c})
	if err != nil {
		w.t.Fatal(err)
	}
	w.subscribe(s, "", topics...)
	return s
}

// pair is two instances on one broker.
func pair(t *testing.T, options push.Options) (here, there *world, end func()) {
	broker := membroker.New()
	here = newWorld(t, &patchyBroker{Broker: broker}, options)
	there = newWorld(t, &patchyBroker{Broker: broker}, options)
	return here, there, func() {
		here.shutdown()
		there.shutdown()
		broker.Close(context.Background())
	}
}

// TestRefreshedSessionLives gives sessions new identities on their own instance and
// through another. They end when these expire, and miss nothing.
func TestRefreshedSessionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there, end := pair(t, push.Options{Authorize: byClaims})
		defer end()
		for _, through := range []*world{here, there} {
			c := newConn()
			s := here.enter(c, until("ann", time.Minute, "a"), "a")
			left := newConn()
			here.enter(left, until("ann", time.Minute, "a"), "a")
			time.Sleep(50 * time.Second)
			done, err := session.Of(through.hub).Refresh(t.Context(), s.ID(), until("ann", 10*time.Minute, "a"))
			if err != nil || done != (through == here) {
				t.Errorf("Refresh: %v, %v", done, err)
			}
			here.publish("a", "1")
			time.Sleep(30 * time.Second)
			here.publish("a", "2")
			synctest.Wait()
			wantEnd(t, "one that wasn't refreshed", left, "[hello 1]", push.CodeUnauthenticated)
			wantEnd(t, "one that was", c, "[hello 1 2]", "")
			time.Sleep(9*time.Minute + 39*time.Second)
			wantEnd(t, "before the new expiry", c, "[]", "")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			wantEnd(t, "at the new expiry", c, "[]", push.CodeUnauthenticated)
		}
	})
}

// TestRefreshMayShorten has a new identity that expires sooner.
func TestRefreshMayShorten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := newConn()
		s := w.enter(c, until("ann", time.Hour), "a")
		if _, err := session.Of(w.hub).Refresh(t.Context(), s.ID(), until("ann", time.Minute)); err != nil {
			t.Error(err)
		}
		time.Sleep(71 * time.Second)
		synctest.Wait()
		wantEnd(t, "the session", c, "[hello]", push.CodeUnauthenticated)
	})
}

// TestRefreshAsksForRights takes a topic away by a new identity.
func TestRefreshAsksForRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there, end := pair(t, push.Options{Authorize: byClaims})
		defer end()
		for _, through := range []*world{here, there} {
			c := newConn()
			s := here.enter(c, until("ann", time.Hour, "a", "b"), "a", "b")
			refresh := func(topics ...any) {
				t.Helper()
				if _, err := session.Of(through.hub).Refresh(t.Context(), s.ID(), until("ann", time.Hour, topics...)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			refresh("a", "b", "c")
			here.subscribe(s, "", "c")
			synctest.Wait()
			wantEnd(t, "with a right more", c, "[hello hello]", "")
			refresh("b", "c")
			here.publish("a", "x")
			synctest.Wait()
			wantEnd(t, "with a right less", c, "[reconnect]", push.CodeDraining)
		}
	})
}

func TestBadRefreshChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there, end := pair(t, push.Options{})
		defer end()
		c := newConn()
		s := here.enter(c, until("ann", time.Minute), "a")
		unknown := "0192f0c1-2345-7abc-8def-0123456789ab"
		for _, test := range []struct {
			name    string
			hub     *world
			session string
			id      push.Identity
			want    error
		}{
			{"another user", here, s.ID(), until("eve", time.Hour), push.CodeForbidden},
			{"another user, elsewhere", there, s.ID(), until("eve", time.Hour), nil},
			{"nobody", here, s.ID(), push.Identity{}, push.CodeUnauthenticated},
			{"nobody, elsewhere", there, s.ID(), push.Identity{}, push.CodeUnauthenticated},
			{"unknown", here, unknown, until("ann", time.Hour), nil},
			{"no ID", here, "x", until("ann", time.Hour), push.CodeBadRequest},
			{"claims that change", there, s.ID(), push.Identity{User: "ann", Claims: 1}, push.CodeInternal},
		} {
			if done, err := session.Of(test.hub.hub).Refresh(t.Context(), test.session, test.id); done || !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("%s: %v, %v", test.name, done, err)
			}
		}
		time.Sleep(71 * time.Second)
		synctest.Wait()
		wantEnd(t, "the session", c, "[hello]", push.CodeUnauthenticated)
		if done, err := session.Of(here.hub).Refresh(t.Context(), s.ID(), until("ann", time.Hour)); done || err != nil {
			t.Errorf("after the end: %v, %v", done, err)
		}
	})
}

// TestRefreshWhileSubscribing has a session follow a topic by the rights that it had
// when it asked, and not by those that it has when it gets the answer.
func TestRefreshWhileSubscribing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		var once sync.Once
		w := newWorld(t, nil, push.Options{Authorize: func(ctx context.Context, a push.Access) error {
			once.Do(func() {
				close(asked)
				<-answer
			})
			return byClaims(ctx, a)
		}})
		defer w.shutdown()
		c := newConn()
		s := w.enter(c, until("ann", time.Hour, "a"))
		go func() {
			<-asked
			if done, err := session.Of(w.hub).Refresh(t.Context(), s.ID(), until("ann", time.Hour)); !done || err != nil {
				t.Errorf("%v, %v", done, err)
			}
			synctest.Wait() // Authorize has been asked about the topics of before
			close(answer)
		}()
		w.subscribe(s, "", "a")
		<-s.Done()
		if _, reason := c.end(); !errors.Is(reason, push.CodeDraining) {
			t.Errorf("ended with %v", reason)
		}
	})
}

// TestRefreshIsSealed looks at what hubs tell each other of an identity.
func TestRefreshIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there, end := pair(t, push.Options{})
		defer end()
		c := newConn()
		s := here.enter(c, until("ann", time.Minute), "a")
		id := push.Identity{User: "ann", Expires: time.Now().Add(time.Hour), Claims: "hunter2"}
		if _, err := session.Of(there.hub).Refresh(t.Context(), s.ID(), id); err != nil {
			t.Fatal(err)
		}
		page, err := there.broker.Recent(t.Context(), "tidewire.control", broker.Limit{Messages: 10})
		if err != nil || len(page.Messages) != 1 {
			t.Fatal(page, err)
		}
		told := string(page.Messages[0].Data)
		for _, hidden := range []string{s.ID(), "ann", "hunter2"} {
			if strings.Contains(told, hidden) {
				t.Errorf("%q is told: %s", hidden, told)
			}
		}
		synctest.Wait()
		if got := s.Identity(); fmt.Sprint(got.Claims) != "hunter2" {
			t.Errorf("the identity is %+v", got)
		}
	})
}

// TestRefreshDecodesClaims has claims of a type of the application's.
func TestRefreshDecodesClaims(t *testing.T) {
	type role struct{ Name string }
	synctest.Test(t, func(t *testing.T) {
		here, there, end := pair(t, push.Options{DecodeClaims: func(text []byte) (any, error) {
			var r role
			err := json.Unmarshal(text, &r)
			return r, err
		}})
		defer end()
		s := here.enter(newConn(), push.Identity{User: "ann"}, "a")
		if _, err := session.Of(there.hub).Refresh(t.Context(), s.ID(), push.Identity{User: "ann", Claims: role{"admin"}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := s.Identity().Claims; got != any(role{"admin"}) {
			t.Errorf("the claims are %#v", got)
		}
	})
}
