package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// from is a request of a client at this address.
func from(address string, forwarded ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://site.example/", nil)
	r.RemoteAddr = address + ":4711"
	if len(forwarded) > 0 {
		r.Header["X-Forwarded-For"] = forwarded
	}
	return r
}

// admit lets a client in, which ends with the returned session.
func (w *world) admit(r *http.Request, user string) (*session.Session, error) {
	admission, err := session.Of(w.hub).Admit(r)
	if err != nil {
		return nil, err
	}
	defer admission.Release()
	if _, err := admission.Identify(r); err != nil {
		return nil, err
	}
	return session.Of(w.hub).Open(session.Client{
		Admission: admission, Identity: push.Identity{User: user}, Format: w.format, Conn: newConn(),
	})
}

// refused does with an error what a transport does.
func (w *world) refused(r *http.Request, err error) {
	if err != nil {
		session.Of(w.hub).Refused(r, push.AsError(err))
	}
}

// TestLimitsOfConnections: exactly so many come in, of many at once, and each place
// comes back when its session has ended.
func TestLimitsOfConnections(t *testing.T) {
	const room = 3
	tests := []struct {
		name    string
		limits  push.Limits
		address func(i int) string
		user    string
		code    push.Code
	}{
		{"all", push.Limits{Connections: room}, func(i int) string { return fmt.Sprint("203.0.113.", i) }, "", push.CodeUnavailable},
		{"of a user", push.Limits{PerUser: room}, func(i int) string { return fmt.Sprint("203.0.113.", i) }, "u", push.CodeLimitReached},
		{"of an address", push.Limits{PerAddress: room}, func(int) string { return "203.0.113.1" }, "", push.CodeLimitReached},
		{"of a private address", push.Limits{PerAddress: room}, func(int) string { return "127.0.0.1" }, "", push.CodeLimitReached},
		{"of a subscriber", push.Limits{PerAddress: room}, func(i int) string { return fmt.Sprintf("[2001:db8::%x]", i) }, "", push.CodeLimitReached},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil, push.Options{Limits: tt.limits})
			defer w.shutdown()
			const clients = 100
			for round := range 3 {
				var mu sync.Mutex
				var sessions []*session.Session
				var wait sync.WaitGroup
				for i := range clients {
					wait.Go(func() {
						r := from(tt.address(i))
						s, err := w.admit(r, tt.user)
						w.refused(r, err)
						mu.Lock()
						defer mu.Unlock()
						if err == nil {
							sessions = append(sessions, s)
						} else if push.AsError(err).Code != tt.code {
							t.Errorf("refused with %v", err)
						}
					})
				}
				wait.Wait()
				if len(sessions) != room {
					t.Fatalf("round %d: %d sessions", round, len(sessions))
				}
				sessions[0].Close(nil) // one place comes back, and no more
				<-sessions[0].Done()
				for i, want := range []push.Code{"", tt.code} {
					r := from(tt.address(clients + i))
					s, err := w.admit(r, tt.user)
					w.refused(r, err)
					if want == "" && err == nil {
						sessions[0] = s
					} else if err == nil || push.AsError(err).Code != want {
						t.Errorf("after one has left, number %d got %v", i, err)
					}
				}
				for _, s := range sessions {
					s.Close(nil)
					<-s.Done()
				}
			}
			if n := w.hub.Stats().Refused[tt.code]; n != 3*(clients-room+1) {
				t.Errorf("%d were counted", n)
			}
		})
	}
}

// TestWhoIsNotCounted: anonymous users, by default loopback and private addresses, and
// what is negative.
func TestWhoIsNotCounted(t *testing.T) {
	tests := []struct {
		name    string
		options push.Options
		request *http.Request
		user    string
		counted bool
	}{
		{"a public address", push.Options{}, from("203.0.113.1"), "", true},
		{"loopback", push.Options{}, from("127.0.0.1"), "", false},
		{"a private address", push.Options{}, from("10.0.0.1"), "", false},
		{"an address behind a listed proxy", push.Options{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
			from("127.0.0.1", "203.0.113.1"), "", true},
		{"an address behind a proxy that isn't listed", push.Options{}, from("127.0.0.1", "203.0.113.1"), "", false},
		{"no limit of addresses", push.Options{Limits: push.Limits{PerAddress: -1}}, from("203.0.113.1"), "", false},
		{"a user", push.Options{}, from("127.0.0.1"), "u", true},
		{"no limit of users", push.Options{Limits: push.Limits{PerUser: -1}}, from("127.0.0.1"), "u", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil, tt.options)
			defer w.shutdown()
			var refused error
			for range 300 {
				if _, err := w.admit(tt.request, tt.user); err != nil {
					refused = err
				}
			}
			if tt.counted != errors.Is(refused, push.CodeLimitReached) || !tt.counted && refused != nil {
				t.Errorf("refused with %v", refused)
			}
		})
	}
}

// TestWhoHasLeftIsForgotten: users and addresses are counted while they are there.
func TestWhoHasLeftIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		var sessions []*session.Session
		for i := range 100 {
			s, err := w.admit(from(fmt.Sprint("203.0.113.", i%50)), fmt.Sprint("user", i%25))
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		if users, sources := session.Of(w.hub).Counted(); users != 25 || sources != 50 {
			t.Errorf("%d users and %d addresses are counted", users, sources)
		}
		for _, s := range sessions {
			s.Close(nil)
			<-s.Done()
		}
		synctest.Wait()
		if users, sources := session.Of(w.hub).Counted(); users != 0 || sources != 0 {
			t.Errorf("%d users and %d addresses are counted, and nobody is there", users, sources)
		}
	})
}

// TestReleaseWithoutASession: who is turned away leaves nothing behind, and Shutdown
// waits for who is on the way in.
func TestReleaseWithoutASession(t *testing.T) {
	w := newWorld(t, nil, push.Options{Limits: push.Limits{Connections: 1}})
	for range 3 {
		a, err := session.Of(w.hub).Admit(from("203.0.113.1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.Of(w.hub).Admit(from("203.0.113.2")); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("the second got %v", err)
		}
		a.Release()
	}
	a, err := session.Of(w.hub).Admit(from("203.0.113.1"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.shutdown()
	}()
	for !w.hub.Draining() {
		select {
		case <-done:
			t.Fatal("Shutdown didn't wait")
		default:
		}
	}
	if _, err := session.Of(w.hub).Open(session.Client{Admission: a, Format: w.format, Conn: newConn()}); !errors.Is(err, push.CodeDraining) {
		t.Errorf("Open: %v", err)
	}
	if _, err := session.Of(w.hub).Admit(from("203.0.113.1")); !errors.Is(err, push.CodeDraining) {
		t.Errorf("Admit: %v", err)
	}
	select {
	case <-done:
		t.Error("Shutdown didn't wait")
	default:
	}
	a.Release()
	<-done
}

// TestShutdownDoesNotWaitForAReservedPlace: a client whose request is still being read is
// refused when it has come.
func TestShutdownDoesNotWaitForAReservedPlace(t *testing.T) {
	w := newWorld(t, nil, push.Options{Limits: push.Limits{Connections: 1}})
	a, err := session.Of(w.hub).Reserve(from("203.0.113.1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Of(w.hub).Reserve(from("203.0.113.2")); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("the second got %v", err)
	}
	if _, err := session.Of(w.hub).Open(session.Client{Admission: a, Format: w.format, Conn: newConn()}); !errors.Is(err, push.CodeInternal) {
		t.Errorf("Open before Enter: %v", err)
	}
	w.shutdown()
	if err := a.Enter(false); !errors.Is(err, push.CodeDraining) {
		t.Errorf("Enter: %v", err)
	}
	a.Release()
	if _, err := session.Of(w.hub).Reserve(from("203.0.113.1")); !errors.Is(err, push.CodeDraining) {
		t.Errorf("Reserve: %v", err)
	}
}

// TestReturnsAreNoOpens: a client that was let in, and is expected back, isn't counted again;
// from another address, a second time, or much later it is.
func TestReturnsAreNoOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Limits: push.Limits{Opens: push.Rate{PerSecond: 0.0001, Burst: 3}}})
		defer w.shutdown()
		h := session.Of(w.hub)
		come := func(admit func(*http.Request) (*session.Admission, error), address string) func() {
			t.Helper()
			a, err := admit(from(address))
			if err != nil {
				t.Fatal(err)
			}
			return func() {
				a.Release()
				a.ExpectBack()
			}
		}
		wantRefused := func(admit func(*http.Request) (*session.Admission, error), address string) {
			t.Helper()
			if _, err := admit(from(address)); !errors.Is(err, push.CodeUnavailable) {
				t.Errorf("%s got %v", address, err)
			}
		}
		readmit := func(r *http.Request) (*session.Admission, error) {
			a, err := h.Reserve(r)
			if err == nil {
				if err = a.Enter(true); err != nil {
					a.Release()
				}
			}
			return a, err
		}
		come(h.Admit, "203.0.113.1")()
		come(h.Admit, "203.0.113.1")()
		come(h.Admit, "203.0.113.2")()
		wantRefused(readmit, "203.0.113.3")
		wantRefused(h.Admit, "203.0.113.1") // it doesn't say that it was here
		for range 10 {
			time.Sleep(7 * time.Second)
			one, two, other := come(readmit, "203.0.113.1"), come(readmit, "203.0.113.1"), come(readmit, "203.0.113.2")
			wantRefused(readmit, "203.0.113.1") // two were here
			wantRefused(readmit, "203.0.113.2")
			one()
			two()
			other()
		}
		time.Sleep(20 * time.Second)
		wantRefused(readmit, "203.0.113.1")
	})
}
