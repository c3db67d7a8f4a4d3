package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// watcher notes what the hooks are told.
type watcher struct {
	mu  sync.Mutex
	log map[string][]string // by session
}

func (w *watcher) note(session string, what ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log == nil {
		w.log = map[string][]string{}
	}
	w.log[session] = append(w.log[session], fmt.Sprint(what...))
}

func (w *watcher) options() push.Options {
	return push.Options{
		Connected: func(id push.Identity, session string) { w.note(session, "connected ", id.User) },
		Disconnected: func(_ push.Identity, session string, reason error, lasted time.Duration) {
			w.note(session, "disconnected ", reason, " ", lasted.Round(time.Second))
		},
		Followed: func(_ push.Identity, session, topic string) { w.note(session, "followed ", topic) },
		Left:     func(_ push.Identity, session, topic string) { w.note(session, "left ", topic) },
	}
}

func (w *watcher) want(t *testing.T, s *session.Session, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := w.log[s.ID()]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the hooks were told %q, want %q", got, want)
	}
}

// TestHooksWatchClients: each connection is told of in order, whatever ends it.
func TestHooksWatchClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var watched watcher
		w := newWorld(t, nil, watched.options())
		s := w.enterAs("ann")
		synctest.Wait()
		leave(s, "log")
		time.Sleep(time.Minute) //clock:virtual
		watched.want(t, s, "connected ann", "followed room/a", "followed log", "left log")
		closed(s)
		synctest.Wait()
		watched.want(t, s, "connected ann", "followed room/a", "followed log", "left log", "left room/a", "disconnected <nil> 1m0s")
		other := w.enterAs("bob")
		w.shutdown()
		watched.want(t, other, "connected bob", "followed room/a", "followed log", "left room/a", "left log",
			"disconnected "+push.NewError(push.CodeDraining, "", nil).Error()+" 0s")
	})
}

// TestHooksOfAClientThatLeavesEarly: a connection that ends while a topic is asked for, or left, is
// still told of in order.
func TestHooksOfAClientThatLeavesEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var watched watcher
		options := watched.options()
		options.Authorize = func(context.Context, push.Access) error {
			time.Sleep(time.Second) //clock:virtual
			return nil
		}
		left := options.Left
		options.Left = func(id push.Identity, session, topic string) {
			time.Sleep(time.Second) //clock:virtual
			left(id, session, topic)
		}
		w := newWorld(t, nil, options)
		defer w.shutdown()
		asks, leaves := w.open(newConn()), w.open(newConn())
		w.subscribe(leaves, "", "log")
		go w.subscribe(asks, "", "log")
		go leave(leaves, "log")
		time.Sleep(100 * time.Millisecond) //clock:virtual
		closed(asks)
		closed(leaves)
		time.Sleep(time.Minute) //clock:virtual
		for _, s := range []*session.Session{asks, leaves} {
			watched.mu.Lock()
			log := watched.log[s.ID()]
			watched.mu.Unlock()
			if last := log[len(log)-1]; !strings.HasPrefix(last, "disconnected") {
				t.Errorf("the hooks were told %q", log)
			}
		}
	})
}

// TestHooksThatPanicHarmNobody: they only watch.
func TestHooksThatPanicHarmNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{
			Connected: func(push.Identity, string) { panic("connected") },
			Followed:  func(push.Identity, string, string) { panic("followed") },
			Member:    func(push.Identity) any { panic("member") },
			Presence:  []string{"room/{name}"},
		})
		defer w.shutdown()
		c := newConn()
		w.subscribe(w.open(c), "", "room/a")
		w.publish("room/a", "m")
		synctest.Wait()
		if got := c.take(); got != "[hello m]" {
			t.Errorf("got %s", got)
		}
		if w.hub.Stats().Panics != 3 {
			t.Errorf("%d panics", w.hub.Stats().Panics)
		}
	})
}

// TestUsersOfSeveralInstances: a user's connections are counted and ended wherever they are.
func TestUsersOfSeveralInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := membroker.New()
		var worlds []*world
		for range 3 {
			w := newWorld(t, &remote{&shared{Broker: store}}, push.Options{})
			defer w.shutdown()
			worlds = append(worlds, w)
		}
		var sessions []*session.Session
		for i, user := range []string{"ann", "ann", "bob"} {
			s, err := worlds[1+i%2].admit(httptest.NewRequest(http.MethodGet, "/", nil), user)
			if err != nil {
				t.Fatal(err)
			}
			worlds[1+i%2].subscribe(s, "", "log")
			sessions = append(sessions, s)
		}
		synctest.Wait()
		for user, want := range map[string]int{"ann": 2, "bob": 1, "carl": 0, "": 0} {
			for i, w := range worlds {
				if n, err := w.hub.Connections(t.Context(), user); n != want || err != nil {
					t.Errorf("%s has %d connections by instance %d, %v", user, n, i, err)
				}
			}
		}
		if err := worlds[0].hub.Disconnect(t.Context(), "ann"); err != nil {
			t.Error(err)
		}
		<-sessions[0].Done()
		<-sessions[1].Done()
		if n, _ := worlds[0].hub.Connections(t.Context(), "bob"); n != 1 {
			t.Error("another user was disconnected")
		}
		if err := worlds[0].hub.DisconnectSession(t.Context(), sessions[2].ID()); err != nil {
			t.Error(err)
		}
		<-sessions[2].Done()
		for _, id := range []string{"", "nobody's"} {
			if err := worlds[0].hub.DisconnectSession(t.Context(), id); push.AsError(err).Code != push.CodeBadRequest {
				t.Errorf("a session %q: %v", id, err)
			}
		}
		for _, user := range []string{"", "\xff"} {
			if err := worlds[0].hub.Disconnect(t.Context(), user); !errors.Is(err, push.CodeBadRequest) {
				t.Errorf("the user %q: %v", user, err)
			}
		}
		if _, err := worlds[0].hub.Connections(t.Context(), "\xff"); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("a name that isn't UTF-8: %v", err)
		}
	})
}

// remote is a broker that isn't of this process.
type remote struct{ *shared }

// NonBlocking hides that of the broker in memory.
func (*remote) NonBlocking(int) {}
