package doctor_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/internal/doctor"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// bare hides what a writer can do besides.
type bare struct{ http.ResponseWriter }

// flush can also be flushed.
type flush struct {
	bare
	http.Flusher
}

func with(writer func(http.ResponseWriter) http.ResponseWriter) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(writer(w), r) })
	}
}

func flushing(w http.ResponseWriter) http.ResponseWriter { return flush{bare{w}, w.(http.Flusher)} }

// TestFindings has what is in the way above the routes, and asks twice for a stream or a poll:
// each finding is said once, with the route, and kept.
func TestFindings(t *testing.T) {
	hour := func(s *http.Server) { s.WriteTimeout, s.ReadTimeout = time.Hour, time.Hour }
	elsewhere := func(next http.Handler) http.Handler {
		return middleware.Timeout(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				next.ServeHTTP(w, r)
			}()
			<-done
		}))
	}
	tests := []struct {
		name   string
		wrap   func(http.Handler) http.Handler
		server func(*http.Server)
		http2  bool
		path   string
		want   []string
	}{
		{"nothing, HTTP/1.1", with(func(w http.ResponseWriter) http.ResponseWriter { return w }), hour, false, "sse", nil},
		{"nothing, HTTP/2", with(func(w http.ResponseWriter) http.ResponseWriter { return w }), hour, true, "sse", nil},
		{"no flush", with(func(w http.ResponseWriter) http.ResponseWriter { return bare{w} }), nil, true, "sse", []string{"no flush"}},
		{"flush alone, HTTP/1.1", with(flushing), hour, false, "sse", []string{"no hijack", "http.Server.WriteTimeout", "http.Server.ReadTimeout"}},
		{"flush alone, HTTP/2", with(flushing), hour, true, "sse", []string{"http.Server.WriteTimeout"}},
		{"chi's Timeout, HTTP/1.1", middleware.Timeout(time.Hour), nil, false, "sse", nil},
		{"chi's Timeout, HTTP/2", middleware.Timeout(time.Hour), nil, true, "sse", nil},
		{"chi's Timeout, poll", middleware.Timeout(time.Hour), nil, true, "poll", nil},
		{"a short Timeout, poll", middleware.Timeout(5 * time.Second), nil, false, "poll", []string{"short polls"}},
		{"another goroutine, HTTP/1.1", elsewhere, nil, false, "sse", nil},
		{"another goroutine, HTTP/2", elsewhere, nil, true, "sse", []string{"deadline of another goroutine"}},
		{"chi's Throttle, HTTP/1.1", middleware.Throttle(9), nil, false, "sse", nil},
		{"chi's Throttle, HTTP/2", middleware.Throttle(9), nil, true, "sse", []string{"chi's Throttle"}},
		{"chi's Throttle, poll", middleware.Throttle(9), nil, false, "poll", []string{"chi's Throttle"}},
		{"compression, HTTP/1.1", middleware.Compress(5, "text/*"), nil, false, "sse", nil},
		{"compression, HTTP/2", middleware.Compress(5, "text/*"), nil, true, "sse", []string{"compression"}},
		{"few streams", middleware.RequestID, func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 99} }, true, "sse", []string{"MaxConcurrentStreams"}},
		{"enough streams", middleware.RequestID, func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100} }, true, "sse", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testaid.Log
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
			mux := http.NewServeMux()
			mux.Handle("/push/", transport.Routes(hub))
			server := httptest.NewUnstartedServer(tt.wrap(mux))
			if tt.server != nil {
				tt.server(server.Config)
			}
			if server.EnableHTTP2 = tt.http2; tt.http2 {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			if _, err := hub.Publish(t.Context(), push.Message{Topic: "a"}); err != nil { // or a poll would wait
				t.Fatal(err)
			}
			for range 2 {
				response, err := server.Client().Get(server.URL + "/push/" + tt.path + "?topic=a&recent=1")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil && err != io.EOF {
					t.Error(err)
				}
				response.Body.Close()
			}
			if err := hub.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			checkFindings(t, log.String(), tt.want, "/push/"+tt.path)
			warnings := hub.Health(t.Context()).Warnings
			if len(warnings) != len(tt.want) {
				t.Errorf("warnings %q", warnings)
			}
			for i, warning := range warnings {
				if c := check(tt.want[i]); !strings.HasPrefix(warning, "/push/"+tt.path+": "+c.What) || !strings.HasSuffix(warning, c.Hint) {
					t.Errorf("warning %q", warning)
				}
			}
		})
	}
}

func check(name string) doctor.Check {
	return doctor.Checks[slices.IndexFunc(doctor.Checks, func(c doctor.Check) bool { return c.Name == name })]
}

// checkFindings compares what was logged of a route with what the checks say.
func checkFindings(t *testing.T, log string, want []string, route string) {
	t.Helper()
	said := slices.Collect(strings.Lines(log))
	if len(said) != len(want) {
		t.Fatalf("said %q, want %q", said, want)
	}
	for i, name := range want {
		var line struct{ Level, Msg, Route, Hint string }
		if err := json.Unmarshal([]byte(said[i]), &line); err != nil {
			t.Fatal(err)
		}
		if c := check(name); line.Level != "WARN" || line.Msg != "push: "+c.What || line.Hint != c.Hint || line.Route != route {
			t.Errorf("said %s, want %q", said[i], name)
		}
	}
}

// TestCopiesOfStreamsEnd: a middleware that copies a response for its log, as httplog does with
// the writer of chi, gets nothing of a stream, whose copy would grow for as long as it lasts.
func TestCopiesOfStreamsEnd(t *testing.T) {
	var copied testaid.Log
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	server := httptest.NewUnstartedServer(with(func(w http.ResponseWriter) http.ResponseWriter {
		outer := middleware.NewWrapResponseWriter(w, 2)
		outer.Tee(&copied)
		inner := middleware.NewWrapResponseWriter(outer, 2)
		inner.Tee(&copied)
		return inner
	})(transport.Routes(hub)))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	response, err := server.Client().Get(server.URL + "/sse?topic=a")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
		t.Error(err)
	}
	if got := copied.String(); got != "" {
		t.Errorf("copied %q", got)
	}
	response.Body.Close()
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
