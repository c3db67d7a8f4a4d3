package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// unreachable is a network that refuses each connection with errTest.
func unreachable() *http.Client {
	return clientOver(func(string) (net.Conn, error) { return nil, errTest })
}

// TestErrorsNameWhyNothingConnects: a program that sees the error of a call needs no log.
func TestErrorsNameWhyNothingConnects(t *testing.T) {
	const url = "http://server.example/push"
	check := func(t *testing.T, what string, err error, say string) {
		t.Helper()
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errTest) || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, way := range []Transport{Automatic, WebSocket, EventStream} {
		t.Run(way.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(url, Options{Transport: way, HTTPClient: unreachable(), Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Send(t.Context(), push.Message{Topic: "a"})
				check(t, "Send", err, "nothing was sent")
				if !errors.Is(err, push.CodeUnavailable) {
					t.Errorf("Send: %v", err)
				}
				s, err := c.Subscribe("a")
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				check(t, "Ready", s.Ready(ctx), "")
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := publisher(t, url, testKey, PublisherOptions{HTTPClient: unreachable()})
		_, err := p.Publish(t.Context(), push.Message{Topic: "a"})
		check(t, "Publish", err, "")
		if !errors.Is(err, push.CodeTimeout) {
			t.Errorf("Publish: %v", err)
		}
	})
}

// TestSendDoesntDenyWhatMayHaveArrived has a server that takes a message and never answers,
// and then can't be reached.
func TestSendDoesntDenyWhatMayHaveArrived(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if n > 0 || way == EventStream {
				panic(http.ErrAbortHandler)
			}
			socketed(w, r, func(conn *websocket.Conn) {
				write(conn, hello)
				listen(conn, func(protocol.Request) { _ = conn.CloseNow() })
			})
		}, func(t *testing.T, s *script) {
			c := s.connect(Options{Transport: way})
			if _, err := c.Send(t.Context(), push.Message{Topic: "a"}); !errors.Is(err, push.CodeTimeout) {
				t.Errorf("Send: %v", err)
			}
			s.close(c)
		})
	})
}

// TestReadyNamesARefusal has a server that refuses a topic for now, again and again.
func TestReadyNamesARefusal(t *testing.T) {
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, `{"type":"welcome","heartbeat":300000}`)
			listen(conn, func(r protocol.Request) {
				write(conn, fmt.Sprintf(`{"type":"subscribed","id":%d,"topics":[{"topic":"a","error":{"code":"rate_limited","reason":"","retry":"later"}}]}`, r.ID))
			})
		})
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{Transport: WebSocket})
		sub, err := c.Subscribe("a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := sub.Ready(ctx); !errors.Is(err, push.CodeRateLimited) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ready: %v", err)
		}
		s.close(c)
	})
}
