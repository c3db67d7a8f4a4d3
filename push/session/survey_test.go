package session_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

func (w *world) openAs(user string, c session.Conn) *session.Session {
	w.t.Helper()
	s, err := session.Of(w.hub).Open(session.Client{
		Transport: "ws", Format: w.format, Conn: c, Identity: push.Identity{User: user},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) survey() session.Survey { return session.Of(w.hub).Survey() }

func TestSurveyOfNothing(t *testing.T) {
	w := newWorld(t, nil, push.Options{})
	defer w.shutdown()
	if s := w.survey(); len(s.Slowest) != 0 || len(s.Busiest) != 0 || s.At.IsZero() {
		t.Errorf("%+v", s)
	}
	if u := session.Of(w.hub).SurveyUser("ada"); u.Connections != 0 || len(u.Clients) != 0 {
		t.Errorf("%+v", u)
	}
}

func TestSurveyHasTheSlowestClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		opened := time.Now()
		var ids []string
		for i := range 30 {
			c := stalledConn()
			defer c.Abort()
			s := w.openAs(fmt.Sprint("user", i), c)
			s.Send(word(strings.Repeat("x", 100*i)))
			ids = append(ids, s.ID())
		}
		slow := stalledConn()
		defer slow.Abort()
		s := w.openAs("ada", slow)
		w.subscribe(s, "", "a")
		w.openAs("grace", newConn()).Send(word("read at once"))
		synctest.Wait()
		w.publish("a", strings.Repeat("x", 5000))
		synctest.Wait()
		time.Sleep(2 * time.Second)
		survey := w.survey()
		if len(survey.Slowest) != 20 {
			t.Fatalf("%d clients", len(survey.Slowest))
		}
		first := survey.Slowest[0]
		if first.User != "ada" || first.Transport != "ws" || first.Topics != 1 || first.Queued != 2 || first.QueuedBytes < 5000 ||
			first.Behind.Round(time.Millisecond) != 2*time.Second || first.Opened.Sub(opened).Abs() > time.Millisecond || first.Address != "" {
			t.Errorf("%+v", first)
		}
		if second := survey.Slowest[1]; second.User != "user29" || second.Behind != 0 || survey.Slowest[19].User != "user11" {
			t.Errorf("%+v", survey.Slowest)
		}
		for _, id := range append(ids, s.ID()) {
			if strings.Contains(fmt.Sprintf("%+v", survey), id[:13]) {
				t.Error("the survey tells the ID of a session, by which its client can be taken over")
			}
		}
	})
}

func TestSurveyHasTheBusiestTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{MaxTopics: 100})
		defer w.shutdown()
		for range 3 {
			w.subscribe(w.open(newConn()), "", "popular", "quiet")
		}
		s := w.open(newConn())
		for i := range 30 {
			w.subscribe(s, "", fmt.Sprint("t", i))
		}
		w.subscribe(s, "", "busy")
		synctest.Wait()
		w.survey()
		time.Sleep(time.Second)
		for range 5 {
			w.publish("busy", "x")
			w.publish("popular", "x")
		}
		w.publish("t7", "x")
		synctest.Wait()
		survey := w.survey()
		want := []session.SurveyedTopic{
			{Topic: "popular", Followers: 3, Messages: 5}, {Topic: "busy", Followers: 1, Messages: 5},
			{Topic: "t7", Followers: 1, Messages: 1}, {Topic: "quiet", Followers: 3},
		}
		if len(survey.Busiest) != 20 || !reflect.DeepEqual(survey.Busiest[:4], want) || survey.Interval != time.Second {
			t.Errorf("in %v: %+v", survey.Interval, survey.Busiest)
		}
		time.Sleep(400 * time.Millisecond)
		if again := w.survey(); !reflect.DeepEqual(again, survey) {
			t.Errorf("another survey after 400 ms: %+v", again)
		}
		time.Sleep(600 * time.Millisecond)
		if next := w.survey(); next.Busiest[0] != (session.SurveyedTopic{Topic: "popular", Followers: 3}) {
			t.Errorf("messages are counted twice: %+v", next.Busiest)
		}
	})
}

func TestSurveyOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		slow := stalledConn()
		defer slow.Abort()
		w.subscribe(w.openAs("ada", newConn()), "", "a")
		w.publish("a", "m0")
		w.subscribe(w.openAs("grace", newConn()), "", "a")
		synctest.Wait()
		time.Sleep(time.Second)
		w.subscribe(w.openAs("ada", slow), "", "a", "b")
		synctest.Wait()
		w.publish("a", "m1")
		w.publish("a", "m2")
		synctest.Wait()
		u := session.Of(w.hub).SurveyUser("ada")
		if u.User != "ada" || u.Connections != 2 || len(u.Clients) != 2 {
			t.Fatalf("%+v", u)
		}
		follow := func(i, j int) session.SurveyedFollow {
			f := u.Clients[i].Follows[j]
			return session.SurveyedFollow{Topic: f.Topic, Phase: f.Phase, Head: f.Head, Offset: f.Offset, Queued: f.Queued}
		}
		if got := follow(0, 0); got != (session.SurveyedFollow{Topic: "a", Phase: "live", Head: 3, Offset: 3}) {
			t.Errorf("the client that reads: %+v", got)
		}
		if got := follow(1, 0); got != (session.SurveyedFollow{Topic: "a", Phase: "live", Head: 3, Offset: 1, Queued: 2}) {
			t.Errorf("the client that doesn't: %+v", got)
		}
		if got := follow(1, 1); got != (session.SurveyedFollow{Topic: "b", Phase: "live"}) {
			t.Errorf("its other topic: %+v", got)
		}
		if c := u.Clients[1]; c.Queued < 2 || c.Topics != 2 {
			t.Errorf("%+v", c)
		}
	})
}

// TestSurveyBesideChanges looks while clients come and go: the race detector looks too.
func TestSurveyBesideChanges(t *testing.T) {
	w := newWorld(t, nil, push.Options{})
	defer w.shutdown()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			s := w.openAs("ada", newConn())
			w.subscribe(s, "", fmt.Sprint("t", i%50))
			w.publish(fmt.Sprint("t", i%50), "x")
			s.Close(nil)
		}
	}()
	host := session.Of(w.hub)
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		host.SurveyUser("ada")
		host.SurveyNow()
	}
}
