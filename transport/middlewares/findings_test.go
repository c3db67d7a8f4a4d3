package middlewares

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/handlers"

	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/websocket"
)

// TestThrottleCountsStreams: over HTTP/2 each event stream counts as a request for as long as
// it lasts. Over HTTP/1.1 neither it nor a WebSocket does.
func TestThrottleCountsStreams(t *testing.T) {
	s := start(t, row{wrap: middleware.Throttle(1)})
	for range 2 { // each waits until the one before is connected, and doesn't count any more
		testaid.Eventually(t, "an event stream over HTTP/1.1 beside others", func() bool {
			f, _ := s.follow(1, "a", "")
			if f != nil {
				t.Cleanup(f.drain)
				f.next()
			}
			return f != nil
		})
		testaid.Eventually(t, "a WebSocket beside others", func() bool {
			socket, _, err := websocket.Dial(s.requests, "ws"+strings.TrimPrefix(s.servers[1].URL, "http")+"/push/ws?topic=a", nil)
			if err == nil {
				t.Cleanup(func() { socket.CloseNow() })
			}
			return err == nil
		})
	}
	var f *stream
	testaid.Eventually(t, "an event stream over HTTP/2", func() bool {
		f, _ = s.follow(2, "a", "")
		return f != nil
	})
	defer f.drain()
	f.next()
	if a := s.do(2, http.MethodPost, "/send?topic=a", "hello"); a.status != http.StatusTooManyRequests {
		t.Errorf("beside a stream over HTTP/2 a request is answered with %d", a.status)
	}
	if log := s.log.String(); strings.Count(log, "chi's Throttle counts") != 1 {
		t.Errorf("logged %s", log)
	}
}

// TestCompressHandlerIsLogged: net/http logs each event stream over HTTP/1.1 below gorilla's
// CompressHandler, which writes an end to a connection that was taken over. docs/middleware.md
// says so.
func TestCompressHandlerIsLogged(t *testing.T) {
	var log testaid.Log
	s := start(t, row{wrap: handlers.CompressHandler, server: func(server *http.Server) {
		server.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&log, nil), slog.LevelError)
	}})
	f, _ := s.follow(1, "a", "")
	if f == nil {
		t.Fatal("there is no stream")
	}
	defer f.drain()
	if welcome := f.next(); !strings.Contains(welcome, "welcome") {
		t.Errorf("got %q", welcome)
	}
	testaid.Eventually(t, "a line", func() bool { return strings.Contains(log.String(), "http: response.Write on hijacked connection") })
}
