package poll_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

// TestWait: a poll without a message is answered after the time that it asks for.
func TestWait(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		s.publish("a", "before")
		for query, want := range map[string]time.Duration{
			"":                       25 * time.Second,
			"&wait=0":                0,
			"&wait=3":                3 * time.Second,
			"&wait=60":               time.Minute,
			"&wait=61":               time.Minute,
			"&wait=9007199254740991": time.Minute,
		} {
			for _, since := range []string{"", s.poll("topic=a&wait=0", "").Cursor} {
				p := s.poll("topic=a"+query, since)
				s.want(p, "")
				if p.after != want {
					s.t.Errorf("%q is answered after %v, want %v", query, p.after, want)
				}
				if since != "" && p.Cursor != since {
					s.t.Errorf("an empty answer moves %q to %q", since, p.Cursor)
				}
			}
		}
	})
}

// TestWaitEndsWithAMessage of any topic; what comes at once is in one answer.
func TestWaitEndsWithAMessage(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		since := s.poll("topic=a&topic=b&wait=0", "").Cursor
		for i := range 3 {
			waiting := s.begin("topic=a&topic=b", since)
			time.Sleep(10 * time.Second) //clock:virtual
			s.publish("b", fmt.Sprint(i))
			p := <-waiting
			s.want(p, fmt.Sprint("b", i))
			if p.after != 10*time.Second {
				s.t.Errorf("answered after %v", p.after)
			}
			since = p.Cursor
		}
		for i := range 100 {
			s.publish("a", fmt.Sprint(i))
		}
		if p := s.poll("topic=a&topic=b", since); len(p.Frames) != 100 || p.after != 0 {
			s.t.Errorf("%d frames after %v", len(p.Frames), p.after)
		}
	})
}

// TestClientThatLeaves leaves nothing behind.
func TestClientThatLeaves(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		ctx, leave := context.WithCancel(s.t.Context())
		waiting := s.beginWithin(ctx, "topic=a", "")
		if n := s.hub.Stats().Sessions; n != 1 {
			s.t.Fatalf("%d sessions wait", n)
		}
		leave()
		if p := <-waiting; p.err == nil {
			s.t.Errorf("got %+v", p)
		}
		synctest.Wait()
		if stats := s.hub.Stats(); stats.Sessions != 0 || stats.Topics != 0 || stats.Memory != 0 {
			s.t.Errorf("left behind: %+v", stats)
		}
	})
}

// hidden keeps handlers from all of a connection but the response.
func hidden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	})
}

// TestTimeLimitsOfTheServer are lifted, or else heeded: no poll is cut by them.
func TestTimeLimitsOfTheServer(t *testing.T) {
	within := func(next http.Handler) http.Handler { return http.TimeoutHandler(next, 10*time.Second, "late") }
	for name, tt := range map[string]struct {
		read, write time.Duration
		wrap        func(http.Handler) http.Handler
		want        time.Duration
	}{
		"WriteTimeout":                       {write: 10 * time.Second, want: 25 * time.Second},
		"ReadTimeout":                        {read: 10 * time.Second, want: 25 * time.Second},
		"WriteTimeout that can't be lifted":  {write: 10 * time.Second, wrap: hidden, want: 9500 * time.Millisecond},
		"ReadTimeout that can't be lifted":   {read: 10 * time.Second, wrap: hidden, want: 9500 * time.Millisecond},
		"a short one that can't be lifted":   {write: 600 * time.Millisecond, wrap: hidden, want: 300 * time.Millisecond},
		"one longer than the wait":           {write: time.Minute, wrap: hidden, want: 25 * time.Second},
		"a deadline of a middleware":         {wrap: within, want: 9500 * time.Millisecond},
		"a middleware that hides and no end": {wrap: hidden, want: 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, push.Options{}, func(s *site) {
				s.server.ReadTimeout, s.server.WriteTimeout, s.wrap = tt.read, tt.write, tt.wrap
				since := s.poll("topic=a&wait=0", "").Cursor
				p := s.poll("topic=a", since)
				s.want(p, "")
				if p.after != tt.want {
					s.t.Errorf("answered after %v, want %v", p.after, tt.want)
				}
				waiting := s.begin("topic=a", p.Cursor)
				s.publish("a", "1")
				s.want(<-waiting, "a1")
			})
		})
	}
}
