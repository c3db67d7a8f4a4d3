package session_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestTopicAskedForTwiceHasOneAnswer: a client that is refused a topic isn't told in the
// same breath that it follows it.
func TestTopicAskedForTwiceHasOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Authorize: func(_ context.Context, a push.Access) error {
			if a.Topic == "secret" {
				return push.CodeForbidden
			}
			return nil
		}})
		defer w.shutdown()
		s := w.open(newConn())
		var answers []session.Followed
		follows := []session.Follow{{Topic: "secret"}, {Topic: "a"}, {Topic: "secret"}, {Topic: "a"}}
		s.Subscribe(t.Context(), follows, func(all []session.Followed) *session.Frame { answers = all; return nil })
		for i, a := range answers {
			if a.Topic != follows[i].Topic || (a.Err != nil) != (a.Topic == "secret") || (a.From == "") != (a.Topic == "secret") {
				t.Errorf("answer %d: %+v", i, a)
			}
		}
		w.wantTopics(1)
	})
}

// TestAdmissionIsUsedOnce: a transport that releases an admission twice, or opens two
// sessions with it, counts nobody out who is there.
func TestAdmissionIsUsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Limits: push.Limits{Connections: 2}})
		host := session.Of(w.hub)
		admit := func() *session.Admission {
			t.Helper()
			a, err := host.Admit(httptest.NewRequest("GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		stays := admit()
		twice := admit()
		twice.Release()
		twice.Release()
		opens := admit()
		client := session.Client{Admission: opens, Identity: push.Identity{User: "u"}, Format: w.format, Conn: newConn()}
		s, err := host.Open(client)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := host.Open(client); err == nil {
			t.Error("a second session takes the place of the first")
		}
		opens.Release()
		if _, err := host.Admit(httptest.NewRequest("GET", "/", nil)); err == nil {
			t.Error("there is room for a third client")
		}
		w.hub.Drain()
		synctest.Wait()
		down := make(chan struct{})
		go func() {
			defer close(down)
			w.shutdown()
		}()
		<-s.Done()
		synctest.Wait()
		select {
		case <-down:
			t.Error("Shutdown doesn't wait for the one that stays")
		default:
		}
		stays.Release()
		<-down
	})
}
