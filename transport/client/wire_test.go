package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// TestCloseCodes: each is heeded as docs/protocol.md says.
func TestCloseCodes(t *testing.T) {
	for _, test := range []struct {
		status websocket.StatusCode
		reason string
		code   push.Code // of the client's end; empty if it comes back
		wait   time.Duration
	}{
		{status: 1001},
		{status: 1002, code: push.CodeBadRequest},
		{status: 1003, code: push.CodeUnsupported},
		{status: 1007, code: push.CodeBadRequest},
		{status: 1009, code: push.CodeTooLarge},
		{status: 1011},
		{status: 1012},
		{status: 1012, reason: "7000", wait: 7 * time.Second},
		{status: 1012, reason: "4000000000", wait: longestWait},
		{status: 1013},
		{status: 4400, code: push.CodeBadRequest},
		{status: 4401, code: push.CodeUnauthenticated},
		{status: 4403, code: push.CodeForbidden},
		{status: 4409, code: push.CodeWrongKind},
		{status: 4408},
		{status: 4429},
		{status: 4430},
		{status: 4431},
		{status: 4999},
		{status: 3000},
	} {
		t.Run(fmt.Sprint(test.status, test.reason), func(t *testing.T) {
			again := make(chan struct{})
			scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
				socketed(w, r, func(conn *websocket.Conn) {
					write(conn, hello)
					if n > 0 {
						again <- struct{}{}
						listen(conn, nil)
						return
					}
					_ = conn.Close(test.status, test.reason)
				})
			}, func(t *testing.T, s *script) {
				again = make(chan struct{})
				c := s.connect(Options{Transport: WebSocket, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
				select {
				case <-again:
					if test.code != "" {
						t.Error("the client has come back")
					}
					times := s.requests()
					wait := times[1].Sub(times[0])
					if wait < test.wait || wait > test.wait+10*time.Millisecond {
						t.Errorf("it came after %v", wait)
					}
				case <-c.Done():
					if test.code == "" || !errors.Is(c.Err(), test.code) {
						t.Errorf("the client has stopped: %v", c.Err())
					}
				}
				s.close(c)
			})
		})
	}
}

func TestServerIsDone(t *testing.T) {
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) { _ = conn.Close(websocket.StatusNormal, "") })
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{})
		sub, err := c.Subscribe("a")
		<-c.Done()
		if err == nil {
			_, err = sub.Next(t.Context())
		}
		if err == nil || errors.Is(err, ErrClosed) || !errors.Is(c.Err(), err) {
			t.Errorf("Next: %v, Err: %v", err, c.Err())
		}
		s.close(c)
	})
}

// TestErrorFrameDecides has a code that no client of this version knows, of which retry
// says what to do.
func TestErrorFrameDecides(t *testing.T) {
	for retry, final := range map[string]bool{"never": true, "later": false, "now": false} {
		scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			socketed(w, r, func(conn *websocket.Conn) {
				if n > 0 {
					write(conn, hello)
					listen(conn, nil)
					return
				}
				write(conn, `{"type":"error","code":"new_code","reason":"so","retry":"`+retry+`","after":3000}`)
				_ = conn.Close(1011, "")
			})
		}, func(t *testing.T, s *script) {
			c := s.connect(Options{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if (c.Err() != nil) != final || final && !errors.Is(c.Err(), push.Code("new_code")) {
				t.Errorf("%s: %v", retry, c.Err())
			}
			if len(s.requests()) != 1 {
				t.Errorf("%s: after 2 s it has come %d times", retry, len(s.requests()))
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if (len(s.requests()) == 2) == final {
				t.Errorf("%s: after 4 s it has come %d times", retry, len(s.requests()))
			}
			s.close(c)
		})
	}
}

// TestSilenceEndsTheConnection: it counts as dead 10 s after the heartbeat that the welcome
// has promised, over each transport; whatever comes, a part of a frame too, is life.
func TestSilenceEndsTheConnection(t *testing.T) {
	lives := 5 * time.Second
	eachTransport(t, func(t *testing.T, way Transport) {
		scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if way == EventStream {
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprintf(w, "data: %s\n\n", hello)
				for range 2 {
					_ = http.NewResponseController(w).Flush()
					time.Sleep(lives)
					fmt.Fprint(w, ":\n")
				}
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return
			}
			socketed(w, r, func(conn *websocket.Conn) {
				write(conn, hello)
				var work sync.WaitGroup
				work.Go(func() {
					time.Sleep(lives)
					write(conn, `{"type":"ping"}`)
					time.Sleep(lives)
					_ = conn.Ping(context.Background()) // of RFC 6455
				})
				listen(conn, nil)
				work.Wait()
			})
		}, func(t *testing.T, s *script) {
			c := s.connect(Options{Transport: way, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
			if _, err := c.Subscribe("a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2*lives + 11*time.Second - time.Nanosecond)
			synctest.Wait()
			if len(s.requests()) != 1 {
				t.Errorf("it has come %d times", len(s.requests()))
			}
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if len(s.requests()) != 2 {
				t.Errorf("it has come %d times", len(s.requests()))
			}
			s.close(c)
		})
	})
}

// TestUnknownIsIgnored has frames, fields, events and lines that no client of this version
// knows, and a subscription that goes on through them.
func TestUnknownIsIgnored(t *testing.T) {
	const (
		cursor = "1xN0WXwbDX5-KbCHQ5Lc1AQIDBAc"
		answer = `"topics":[{"topic":"orders/42","from":"now","cursor":"` + cursor + `","new":[1]}],"more":{}}`
	)
	frames := []string{
		`{"type":"dance","topic":"orders/42","data":[1]}`,
		`{"type":"message","topic":"orders/42","at":"AQIDBAg","data":"1","weight":{"kg":1}}`,
		`{"type":"message","topic":"another","at":"AQIDBAg","data":"not asked for"}`,
		`{"type":"presence","id":"x","topics":7}`,
		`{"type":"reply","id":99,"data":"to nobody"}`,
		`{"type":"pong"}`,
		`{"type":"message","topic":"orders/42","at":"AQIDBAk","data":"2"}`,
	}
	eachTransport(t, func(t *testing.T, way Transport) {
		scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			if way == EventStream {
				w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
				fmt.Fprintf(w, "\ufeffretry: 1\nnew: field\nevent: tidewire.welcome\nid: 1\ndata: {\"type\":\"welcome\",%s\r\n\r\n", answer)
				for _, frame := range frames {
					fmt.Fprintf(w, "event: what\rid\rdata: %s\r\rdata\n\n:\n", frame)
				}
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return
			}
			socketed(w, r, func(conn *websocket.Conn) {
				write(conn, hello)
				listen(conn, func(r protocol.Request) {
					write(conn, fmt.Sprintf(`{"type":"subscribed","id":%d,%s`, r.ID, answer))
					write(conn, frames...)
				})
			})
		}, func(t *testing.T, s *script) {
			c := s.connect(Options{Transport: way})
			sub, err := c.Subscribe("orders/42")
			if err != nil {
				t.Fatal(err)
			}
			for n, want := range []string{"1", "2"} {
				e, err := sub.Next(t.Context())
				if err != nil || e.Message == nil || string(e.Message.Data) != want || e.Message.Offset != uint64(8+n) {
					t.Fatalf("got %s, %v", describe(e), err)
				}
			}
			if got := sub.Cursor(); got != cursor[:21]+"AQIDBAk" {
				t.Errorf("the cursor is %q", got)
			}
			s.close(c)
		})
	})
}
