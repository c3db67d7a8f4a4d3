package client

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

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
