package session_test

import (
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// nobody is an Identify that knows nobody.
func nobody(asked *atomic.Int32) func(r *http.Request) (push.Identity, error) {
	return func(*http.Request) (push.Identity, error) {
		asked.Add(1)
		return push.Identity{}, errors.New("unknown")
	}
}

// try asks the hub who makes a request, as for a connection and as for a POST.
func (w *world) try(r *http.Request, connection bool) *push.Error {
	var err error
	if connection {
		_, err = w.admit(r, "")
	} else {
		_, err = session.Of(w.hub).Identify(r)
	}
	w.refused(r, err)
	return push.AsError(err)
}

// TestFailedAttempts: an address that fails too often isn't asked any more for a while,
// for connections and POSTs alike. An address that may stand for everybody is.
func TestFailedAttempts(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	explicit := push.Limits{Failures: push.Rate{PerSecond: 5.0 / 60, Burst: 50}}
	tests := []struct {
		name    string
		options push.Options
		request *http.Request
		other   *http.Request
		held    bool
	}{
		{"a public address", push.Options{}, from("203.0.113.1"), from("203.0.113.2"), true},
		{"a subscriber", push.Options{}, from("[2001:db8::1]"), from("[2001:db8:0:1::1]"), true},
		{"behind a listed proxy", push.Options{Proxies: proxies}, from("127.0.0.1", "10.0.0.1"), from("127.0.0.1", "10.0.0.2"), true},
		{"loopback, if so wished", push.Options{Limits: explicit}, from("127.0.0.1"), from("127.0.0.2"), true},
		{"no limit", push.Options{Limits: push.Limits{Failures: push.Rate{PerSecond: -1}}}, from("203.0.113.1"), from("203.0.113.2"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				tt.options.Identify = nobody(&asked)
				w := newWorld(t, nil, tt.options)
				defer w.shutdown()
				for i := range 50 {
					if err := w.try(tt.request, i%2 == 0); !errors.Is(err, push.CodeUnauthenticated) {
						t.Fatalf("attempt %d: %v", i, err)
					}
				}
				for _, connection := range []bool{true, false} {
					before := asked.Load()
					err := w.try(tt.request, connection)
					if held := errors.Is(err, push.CodeRateLimited); held != tt.held {
						t.Errorf("one more got %v", err)
					} else if held && (err.After != 12*time.Second || asked.Load() != before) {
						t.Errorf("one more is to wait %v, and was asked about: %v", err.After, asked.Load() != before)
					}
				}
				if err := w.try(tt.other, true); !errors.Is(err, push.CodeUnauthenticated) {
					t.Errorf("another address got %v", err)
				}
				time.Sleep(12 * time.Second)
				if err := w.try(tt.request, true); !errors.Is(err, push.CodeUnauthenticated) {
					t.Errorf("later: %v", err)
				}
			})
		})
	}
}

// TestFailedAttemptsOfACrowd: an address that may stand for everybody is told less when a
// flood of attempts fails, and never held off.
func TestFailedAttemptsOfACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Identify: func(r *http.Request) (push.Identity, error) {
			if r.Header.Get("Authorization") == "good" {
				return push.Identity{User: "ann"}, nil
			}
			return push.Identity{}, push.CodeUnauthenticated
		}})
		defer w.shutdown()
		crowd := from("127.0.0.1", "203.0.113.1") // the header doesn't count
		for i := range 60 {
			err := w.try(crowd, i%2 == 0)
			if held := errors.Is(err, push.CodeRateLimited); held != (i >= 50) || !held && !errors.Is(err, push.CodeUnauthenticated) {
				t.Fatalf("attempt %d: %v", i, err)
			}
		}
		good := from("127.0.0.1")
		good.Header.Set("Authorization", "good")
		for range 20 {
			if err := w.try(good, true); err != nil {
				t.Fatalf("who is known got %v", err)
			}
		}
		time.Sleep(50 * time.Millisecond)
		if err := w.try(crowd, true); !errors.Is(err, push.CodeUnauthenticated) {
			t.Errorf("later: %v", err)
		}
	})
}

// TestFailedAttemptsAtOnce: who comes many times at the same moment gets no more answers.
func TestFailedAttemptsAtOnce(t *testing.T) {
	var asked atomic.Int32
	w := newWorld(t, nil, push.Options{
		Identify: nobody(&asked), Limits: push.Limits{Failures: push.Rate{PerSecond: 0.001, Burst: 10}},
	})
	defer w.shutdown()
	var unknown, held atomic.Int32
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			switch err := w.try(from("203.0.113.1"), true); {
			case errors.Is(err, push.CodeUnauthenticated):
				unknown.Add(1)
			case errors.Is(err, push.CodeRateLimited):
				held.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	wait.Wait()
	if unknown.Load() != 10 || held.Load() != 90 || w.hub.Stats().Refused[push.CodeRateLimited] != 90 {
		t.Errorf("%d were unknown, %d held off; stats %+v", unknown.Load(), held.Load(), w.hub.Stats())
	}
}

// TestOpens: what comes too fast is told when to come again, and costs no place.
func TestOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		w := newWorld(t, nil, push.Options{Identify: nobody(&asked), Limits: push.Limits{
			Connections: 1, Opens: push.Rate{PerSecond: 10, Burst: 5}, Failures: push.Rate{PerSecond: -1},
		}})
		defer w.shutdown()
		for range 5 {
			if err := w.try(from("203.0.113.1"), true); !errors.Is(err, push.CodeUnauthenticated) {
				t.Fatal(err)
			}
		}
		for range 5 {
			err := w.try(from("203.0.113.1"), true)
			if !errors.Is(err, push.CodeUnavailable) || err.After != 100*time.Millisecond || asked.Load() != 5 {
				t.Errorf("got %v, to wait %v, after %d questions", err, err.After, asked.Load())
			}
		}
		time.Sleep(100 * time.Millisecond)
		if err := w.try(from("203.0.113.1"), true); !errors.Is(err, push.CodeUnauthenticated) {
			t.Errorf("later: %v", err)
		}
	})
}
