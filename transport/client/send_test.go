package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

func TestSendIsAnswered(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		received := make(chan push.Inbound, 1)
		i := serve(t, "", push.Options{Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
			received <- in
			switch in.Event {
			case "no":
				return push.Reply{}, push.NewError(push.CodeConflict, "not twice", nil)
			case "nothing":
				return push.Reply{}, nil
			}
			return push.Reply{Data: in.Data, Encoding: in.Encoding}, nil
		}}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		for _, m := range []push.Message{
			{Topic: "a", Data: []byte("hello")},
			{Topic: "ä b", ID: "mine", Event: "typing", Data: []byte(`{"a":[1.50]}`), Encoding: push.EncodingJSON},
			{Topic: "a", Data: []byte{0, 255}, Encoding: push.EncodingBinary},
		} {
			reply, err := c.Send(patience(t), m)
			if err != nil || string(reply.Data) != string(m.Data) || reply.Encoding != m.Encoding {
				t.Errorf("the reply to %+v is %+v, %v", m, reply, err)
			}
			in := <-received
			if in.Topic != m.Topic || in.Event != m.Event || m.ID != "" && in.ID != m.ID || in.ID == "" {
				t.Errorf("%+v arrived as %+v", m, in)
			}
		}
		if reply, err := c.Send(patience(t), push.Message{Topic: "a", Event: "nothing"}); err != nil || reply.Data != nil {
			t.Errorf("no reply: %+v, %v", reply, err)
		}
		<-received
		_, err := c.Send(patience(t), push.Message{Topic: "a", Event: "no"})
		if e, ok := errors.AsType[*push.Error](err); !ok || e.Code != push.CodeConflict || e.Reason != "not twice" {
			t.Errorf("a refusal: %v", err)
		}
		<-received
		for name, m := range map[string]push.Message{
			"no topic": {}, "a key": {Topic: "a", Key: "k"}, "a header": {Topic: "a", Header: map[string]string{"a": "b"}},
			"not UTF-8": {Topic: "a", Data: []byte{255}}, "no JSON": {Topic: "a", Data: []byte("{"), Encoding: push.EncodingJSON},
		} {
			if _, err := c.Send(patience(t), m); !errors.Is(err, push.CodeBadRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := c.Close(patience(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(patience(t), push.Message{Topic: "a"}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestSendIsRepeatedWithItsID has a connection that ends before the answer.
func TestSendIsRepeatedWithItsID(t *testing.T) {
	var ids []string
	scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, hello)
			listen(conn, func(r protocol.Request) {
				ids = append(ids, r.Message)
				switch n {
				case 0:
					_ = conn.CloseNow()
				case 1:
					if len(ids) == 2 {
						write(conn, fmt.Sprintf(`{"type":"error","id":%d,"code":"rate_limited","reason":"","retry":"later","after":7000}`, r.ID))
						return
					}
					write(conn, fmt.Sprintf(`{"type":"reply","id":%d,"data":"done"}`, r.ID))
				}
			})
		})
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{Transport: WebSocket, MinBackoff: time.Millisecond})
		began := time.Now()
		reply, err := c.Send(t.Context(), push.Message{Topic: "a"})
		if err != nil || string(reply.Data) != "done" {
			t.Errorf("%+v, %v", reply, err)
		}
		if len(ids) != 3 || ids[0] == "" || len(slices.Compact(ids)) != 1 {
			t.Errorf("the IDs are %q", ids)
		}
		if d := time.Since(began); d < 7*time.Second || d > 8*time.Second {
			t.Errorf("it took %v", d)
		}
		s.close(c)
	})
}

func TestSendEndsWithItsContext(t *testing.T) {
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, hello)
			var work sync.WaitGroup
			work.Go(func() {
				for conn.Write(context.Background(), websocket.Text, protocol.Ping()) == nil {
					time.Sleep(time.Second)
				}
			})
			listen(conn, nil)
			work.Wait()
		})
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{})
		began := time.Now()
		_, err := c.Send(t.Context(), push.Message{Topic: "a"})
		if !errors.Is(err, push.CodeTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errTest)
		if _, err := c.Send(ctx, push.Message{Topic: "a"}); !errors.Is(err, errTest) {
			t.Errorf("a context that has ended: %v", err)
		}
		// As many as wait for answers, and those that wait for their turn.
		var work sync.WaitGroup
		for range maxSends + 10 {
			work.Go(func() {
				if _, err := c.Send(t.Context(), push.Message{Topic: "a"}); !errors.Is(err, ErrClosed) {
					t.Errorf("while the client is closed: %v", err)
				}
			})
		}
		synctest.Wait()
		if c.mu.Lock(); len(c.sends) != maxSends {
			t.Errorf("%d wait", len(c.sends))
		}
		c.mu.Unlock()
		s.close(c)
		work.Wait()
	})
}

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
	own := func(code push.Code) string {
		return `{"code":"` + string(code) + `","reason":"","retry":"` + code.Retry() + `"}`
	}
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

// TestFallsBackToAnEventStream has something on the way that no WebSocket passes, until it
// does.
func TestFallsBackToAnEventStream(t *testing.T) {
	for name, block := range map[string]http.HandlerFunc{
		"refuses the upgrade": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"strips the upgrade":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
		"cuts it": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := serve(t, "", push.Options{Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
				return push.Reply{Data: in.Data}, nil
			}}, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/ws") {
						block(w, r)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			c := connect(t, i.url(), Options{})
			s := follow(t, c, "a")
			i.publish("a", "1")
			expect(t, s, "1")
			if c.way() != EventStream {
				t.Errorf("it is a %v", c.way())
			}
			if reply, err := c.Send(patience(t), push.Message{Topic: "a", Data: []byte("x")}); err != nil || string(reply.Data) != "x" {
				t.Errorf("%+v, %v", reply, err)
			}
		})
	}
}

// TestReturnsToAWebSocket once one gets through, and misses nothing.
func TestReturnsToAWebSocket(t *testing.T) {
	var open atomic.Bool
	var sockets atomic.Int64
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		const answer = `"topics":[{"topic":"a","from":"now"}]}`
		switch {
		case strings.HasSuffix(r.URL.Path, "/sse"):
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: {\"type\":\"welcome\",\"heartbeat\":300000,%s\n\n", answer)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case !open.Load():
			http.Error(w, "no", http.StatusForbidden)
		default:
			sockets.Add(1)
			socketed(w, r, func(conn *websocket.Conn) {
				write(conn, `{"type":"welcome","heartbeat":300000}`)
				listen(conn, func(r protocol.Request) { write(conn, fmt.Sprintf(`{"type":"subscribed","id":%d,%s`, r.ID, answer)) })
			})
		}
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		sub, err := c.Subscribe("a")
		if err == nil {
			err = sub.Ready(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if c.way() != EventStream || len(s.requests()) != 3 {
			t.Errorf("after %d requests it is a %v", len(s.requests()), c.way())
		}
		open.Store(true)
		time.Sleep(probeInterval)
		synctest.Wait()
		if c.way() != WebSocket || sockets.Load() != 2 {
			t.Errorf("after %d sockets it is a %v", sockets.Load(), c.way())
		}
		s.close(c)
	})
}
