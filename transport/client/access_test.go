package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

// TestCredentialsAreRenewed: the server refuses a token, and the client comes back once with
// the next, however the server says it.
func TestCredentialsAreRenewed(t *testing.T) {
	for _, accepted := range []string{"2", "none"} {
		eachTransport(t, func(t *testing.T, way Transport) {
			i := serve(t, "", push.Options{Identify: func(r *http.Request) (push.Identity, error) {
				if r.Header.Get("Authorization") != "Bearer "+accepted || r.Header.Get("X-App") != "test" {
					return push.Identity{}, push.CodeUnauthenticated
				}
				return push.Identity{User: "u"}, nil
			}}, nil)
			var tokens atomic.Int64
			c := connect(t, i.url(), Options{
				Transport: way, Header: http.Header{"X-App": {"test"}},
				Credentials: func(context.Context) (http.Header, error) {
					return http.Header{"authorization": {fmt.Sprint("Bearer ", tokens.Add(1))}}, nil
				},
			})
			s, err := c.Subscribe("a")
			if err == nil {
				err = s.Ready(patience(t))
			}
			if accepted == "2" && err != nil || accepted == "none" && !errors.Is(err, push.CodeUnauthenticated) {
				t.Errorf("with token %s: %v", accepted, err)
			}
			if n := tokens.Load(); n != 2 {
				t.Errorf("%d tokens were asked for", n)
			}
		})
	}
}

func TestCredentialsFail(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	calls := 0
	c := connect(t, i.url(), Options{Credentials: func(context.Context) (http.Header, error) {
		if calls++; calls < 3 {
			return nil, errTest
		}
		return nil, push.NewError(push.CodeForbidden, "signed out", nil)
	}})
	<-c.Done()
	if !errors.Is(c.Err(), push.CodeForbidden) || calls != 3 {
		t.Errorf("after %d calls: %v", calls, c.Err())
	}
}

// TestStatusesAreHeeded has answers to the request for a stream, the server's own and those
// of something before it.
func TestStatusesAreHeeded(t *testing.T) {
	about := func(code push.Code, more string) string {
		return `{"code":"` + string(code) + `","reason":"","retry":"` + code.Retry() + `"` + more + `}`
	}
	own := func(code push.Code) string { return about(code, "") }
	for _, test := range []struct {
		status int
		body   string
		after  string
		code   push.Code     // of the client's end; empty if it comes back
		wait   time.Duration // then
	}{
		{status: 401, body: own(push.CodeUnauthenticated), code: push.CodeUnauthenticated},
		{status: 403, body: own(push.CodeForbidden), code: push.CodeForbidden},
		{status: 400, body: own(push.CodeBadRequest), code: push.CodeBadRequest},
		{status: 404, body: own(push.CodeBadRequest), code: push.CodeBadRequest},
		{status: 403, body: about(push.CodeForbidden, `,"topics":[]`), code: push.CodeForbidden},
		{status: 403, body: about(push.CodeForbidden, `,"topics":[{"topic":"a","from":"now"}]`), code: push.CodeForbidden},
		{status: 403, body: about(push.CodeForbidden, `,"topics":[{"topic":"b","error":`+own(push.CodeForbidden)+`}]`), code: push.CodeForbidden},
		{status: 429, body: own(push.CodeRateLimited), after: "7", wait: 7 * time.Second},
		{status: 503, body: own(push.CodeDraining), after: "3", wait: 3 * time.Second},
		{status: 503, body: own(push.CodeDraining), after: "never", wait: 0},
		{status: 401, body: "<html>", code: push.CodeUnauthenticated},
		{status: 403, body: "<html>", code: push.CodeForbidden},
		{status: 429, after: "5", wait: 5 * time.Second},
		{status: 503, after: "Sat, 01 Jan 2000 00:00:09 GMT", wait: 9 * time.Second},
		{status: 502, after: "1000000", wait: longestWait},
		{status: 404, body: "<html>"},
		{status: 200, body: "<html>"},
	} {
		scripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			if test.after != "" {
				w.Header().Set("Retry-After", test.after)
			}
			w.WriteHeader(test.status)
			fmt.Fprint(w, test.body)
		}, func(t *testing.T, s *script) {
			c := s.connect(Options{Transport: EventStream, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
			if _, err := c.Subscribe("a"); err != nil {
				t.Fatal(err)
			}
			if test.wait > 0 {
				time.Sleep(test.wait - 10*time.Millisecond)
				synctest.Wait()
				if len(s.requests()) != 1 {
					t.Errorf("%+v: it came %d times", test, len(s.requests()))
				}
			}
			time.Sleep(20 * time.Millisecond)
			synctest.Wait()
			if stopped := c.Err() != nil; stopped != (test.code != "") || stopped && !errors.Is(c.Err(), test.code) {
				t.Errorf("%+v: %v", test, c.Err())
			}
			if n := len(s.requests()); (n > 1) == (test.code != "") {
				t.Errorf("%+v: it came %d times", test, n)
			}
			s.close(c)
		})
	}
}
