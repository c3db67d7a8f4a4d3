package poll_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

// failed fails unless a poll was refused with the status of a code.
func (s *site) failed(p polled, code push.Code) {
	s.t.Helper()
	if p.err == nil || p.status != code.HTTPStatus() || !strings.Contains(p.err.Error(), `"`+string(code)+`"`) {
		s.t.Errorf("answered with %d, %v; want %s", p.status, p.err, code)
	}
}

// TestDrainingEndsTheWait: with a request to come back, whose cursor is whole.
func TestDrainingEndsTheWait(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		since := s.poll("topic=a&topic=b&wait=0", "").Cursor
		waiting := s.begin("topic=a&topic=b", since)
		s.hub.Drain()
		p := <-waiting
		s.want(p, "reconnect")
		if p.after != 0 || p.Frames[0].After > 500 || strings.Count(p.Cursor, ".") != 1 {
			s.t.Errorf("answered after %v with %+v", p.after, p)
		}
		refused := s.poll("topic=a", since)
		s.failed(refused, push.CodeDraining)
		if refused.header.Get("Retry-After") == "" {
			s.t.Error("there is no Retry-After")
		}
		if n := s.hub.Stats().Closed[push.CodeDraining]; n != 1 {
			s.t.Errorf("%d sessions were drained", n)
		}
	})
}

func known(d time.Duration) func(*http.Request) (push.Identity, error) {
	return func(*http.Request) (push.Identity, error) {
		return push.Identity{User: "eve", Expires: time.Now().Add(d)}, nil
	}
}

// TestRevokedUserWaitsNoLonger.
func TestRevokedUserWaitsNoLonger(t *testing.T) {
	inVirtualTime(t, push.Options{Identify: known(time.Hour)}, func(s *site) {
		waiting := s.begin("topic=a", s.poll("topic=a&wait=0", "").Cursor)
		if err := s.hub.Revoke(s.t.Context(), push.Revocation{User: "eve"}); err != nil {
			s.t.Fatal(err)
		}
		p := <-waiting
		s.failed(p, push.CodeForbidden)
		if p.after != 0 {
			s.t.Errorf("answered after %v", p.after)
		}
		s.failed(s.poll("topic=a", ""), push.CodeForbidden)
	})
}

// TestIdentityExpiresDuringTheWait, ten seconds late, as on every connection.
func TestIdentityExpiresDuringTheWait(t *testing.T) {
	inVirtualTime(t, push.Options{Identify: known(5 * time.Second)}, func(s *site) {
		p := s.poll("topic=a", s.poll("topic=a&wait=0", "").Cursor)
		s.failed(p, push.CodeUnauthenticated)
		if p.after < 15*time.Second || p.after > 16*time.Second {
			s.t.Errorf("answered after %v", p.after)
		}
	})
}

// TestTopicIsLost during the wait, by a revocation or because Authorize has changed its
// mind. The answer to that is whole, and the next one has the refusal beside the messages
// of the other topic.
func TestTopicIsLost(t *testing.T) {
	for name, lose := range map[string]func(s *site, withdrawn *atomic.Bool){
		"revoked": func(s *site, _ *atomic.Bool) {
			if err := s.hub.Revoke(s.t.Context(), push.Revocation{Topic: "yours"}); err != nil {
				s.t.Fatal(err)
			}
		},
		"withdrawn": func(_ *site, withdrawn *atomic.Bool) { withdrawn.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			var withdrawn atomic.Bool
			options := push.Options{Identify: known(time.Hour), Recheck: time.Second, Authorize: func(_ context.Context, a push.Access) error {
				if a.Topic == "yours" && withdrawn.Load() {
					return push.CodeForbidden
				}
				return nil
			}}
			inVirtualTime(t, options, func(s *site) {
				withdrawn.Store(false)
				waiting := s.begin("topic=yours&topic=mine", s.poll("topic=yours&topic=mine&wait=0", "").Cursor)
				lose(s, &withdrawn)
				p := <-waiting
				s.want(p, "reconnect")
				if p.after > 2*time.Second {
					s.t.Errorf("answered after %v", p.after)
				}
				s.publish("yours", "secret")
				s.publish("mine", "1")
				p = s.poll("topic=yours&topic=mine", p.Cursor)
				s.want(p, "mine1")
				if e := p.Topics[0].Error; e == nil || e.Code != string(push.CodeForbidden) || p.Topics[1].Error != nil {
					s.t.Errorf("answered with %+v", p.Topics)
				}
				s.failed(s.poll("topic=yours", p.Cursor), push.CodeForbidden)
			})
		})
	}
}

// TestLimitsOfPollsThatWait: each is a connection as long as it waits.
func TestLimitsOfPollsThatWait(t *testing.T) {
	for name, tt := range map[string]struct {
		limits push.Limits
		code   push.Code
	}{
		"all":    {push.Limits{Connections: 3}, push.CodeUnavailable},
		"a user": {push.Limits{PerUser: 3}, push.CodeLimitReached},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, push.Options{Limits: tt.limits, Identify: known(time.Hour)}, func(s *site) {
				since := s.poll("topic=a&wait=0", "").Cursor
				var waiting []<-chan polled
				for range 3 {
					waiting = append(waiting, s.begin("topic=a", since))
				}
				s.failed(s.poll("topic=a", since), tt.code)
				s.publish("a", "1")
				for _, w := range waiting {
					s.want(<-w, "a1")
				}
				s.want(s.poll("topic=a", since), "a1")
			})
		})
	}
}

// stalled sends a poll of topic a whose answer nobody reads.
func (s *site) stalled(since string) net.Conn {
	s.t.Helper()
	conn, err := s.transport.DialContext(s.t.Context(), "", "")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET /?topic=a&since=" + since + " HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
	return conn
}

// TestStalledReader has a client that doesn't read its answer. It is cut after the time
// for a write, and gets all when it asks again.
func TestStalledReader(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		if s.server.Protocols.UnencryptedHTTP2() {
			return // stalled speaks HTTP/1
		}
		since := s.poll("topic=a&wait=0", "").Cursor
		conn := s.stalled(since)
		defer conn.Close()
		large := strings.Repeat("x", 60_000)
		s.publish("a", large)
		synctest.Wait()
		if n := s.hub.Stats().Sessions; n != 1 {
			s.t.Fatalf("%d sessions", n)
		}
		time.Sleep(5*time.Second + time.Millisecond) //clock:virtual
		synctest.Wait()
		if stats := s.hub.Stats(); stats.Sessions != 0 || stats.Closed[push.CodeSlowConsumer] != 1 {
			s.t.Errorf("%+v", stats)
		}
		s.want(s.poll("topic=a", since), "a"+large)
	})
}

// TestClientThatLeavesWithinAnAnswer isn't a slow one.
func TestClientThatLeavesWithinAnAnswer(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		if s.server.Protocols.UnencryptedHTTP2() {
			return // stalled speaks HTTP/1
		}
		conn := s.stalled(s.poll("topic=a&wait=0", "").Cursor)
		s.publish("a", strings.Repeat("x", 60_000))
		synctest.Wait()
		conn.Close()
		synctest.Wait()
		if stats := s.hub.Stats(); stats.Sessions != 0 || stats.Closed[push.CodeSlowConsumer] != 0 || stats.Closed[""] != 2 {
			s.t.Errorf("%+v", stats)
		}
	})
}

// TestShutdownCutsAStalledReader when its own time is up.
func TestShutdownCutsAStalledReader(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		if s.server.Protocols.UnencryptedHTTP2() {
			return // stalled speaks HTTP/1
		}
		conn := s.stalled(s.poll("topic=a&wait=0", "").Cursor)
		defer conn.Close()
		s.publish("a", strings.Repeat("x", 60_000))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err == nil {
			s.t.Error("the client was waited for")
		}
		if n := s.hub.Stats().Sessions; n != 0 {
			s.t.Errorf("%d sessions are left", n)
		}
	})
}

// TestBurstWhileItWaits: more messages at once than may wait for a client aren't the
// client's fault, and none is lost.
func TestBurstWhileItWaits(t *testing.T) {
	inVirtualTime(t, push.Options{QueueMessages: 2}, func(s *site) {
		since := s.poll("topic=a&wait=0", "").Cursor
		for range 20 {
			waiting := s.begin("topic=a", since)
			got := 0
			for range 50 {
				s.publish("a", "x")
			}
			for p := <-waiting; ; p = s.poll("topic=a", since) {
				if p.err != nil {
					s.t.Fatal(p.err)
				}
				got, since = got+len(p.Frames), p.Cursor
				if got >= 50 {
					break
				}
			}
			if got != 50 {
				s.t.Fatalf("%d messages came", got)
			}
		}
	})
}

// TestServerShutdownEndsTheWait: it waits for requests, so it has to.
func TestServerShutdownEndsTheWait(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		waiting := s.begin("topic=a", s.poll("topic=a&wait=0", "").Cursor)
		began := time.Now()
		if err := s.server.Shutdown(s.t.Context()); err != nil {
			s.t.Error(err)
		}
		if d := time.Since(began); d > 2*time.Second {
			s.t.Errorf("it took %v", d)
		}
		s.want(<-waiting, "reconnect")
	})
}
