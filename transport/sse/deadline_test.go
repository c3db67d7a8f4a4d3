package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/sse"
)

// flushOnly hides all of a connection but that it can be flushed.
type flushOnly struct{ w http.ResponseWriter }

func (f flushOnly) Header() http.Header         { return f.w.Header() }
func (f flushOnly) Write(p []byte) (int, error) { return f.w.Write(p) }
func (f flushOnly) WriteHeader(status int)      { f.w.WriteHeader(status) }
func (f flushOnly) Flush()                      { f.w.(http.Flusher).Flush() }

// hiding is a middleware that hides all else.
func hiding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(flushOnly{w}, r) })
}

// TestDeadlinesOfTheServer: its time limits don't cut a stream where they can be lifted.
// Where a middleware is in the way of that, the stream ends before them, and the log says so
// once, since the client just resumes.
func TestDeadlinesOfTheServer(t *testing.T) {
	plain := func(next http.Handler) http.Handler { return next }
	tests := []struct {
		name  string
		http2 bool
		wrap  func(http.Handler) http.Handler
		lives bool
		log   []string // a part of each line
	}{
		{"HTTP/1", false, plain, true, nil},
		{"HTTP/2", true, plain, true, nil},
		{"HTTP/1, hidden", false, hiding, false, []string{"hides http.Hijacker", "http.Server.WriteTimeout can't be lifted", "http.Server.ReadTimeout can't be lifted"}},
		{"HTTP/2, hidden", true, hiding, false, []string{"http.Server.WriteTimeout can't be lifted"}},
		{"HTTP/2, with a deadline for requests", true, middleware.Timeout(5 * time.Second), true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				protocols := new(http.Protocols)
				protocols.SetHTTP1(!tt.http2)
				protocols.SetUnencryptedHTTP2(tt.http2)
				listener := make(pipes)
				server := &http.Server{
					Handler: tt.wrap(sse.New(hub)), Protocols: protocols, WriteTimeout: 5 * time.Second, ReadTimeout: 4 * time.Second,
					ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
				}
				served := make(chan struct{})
				go func() {
					defer close(served)
					_ = server.Serve(listener)
				}()
				client := &http.Client{Transport: &http.Transport{Protocols: protocols, DialContext: listener.dial}}
				ctx, cancel := context.WithCancel(t.Context())
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x/?topic=a", nil)
				if err != nil {
					t.Fatal(err)
				}
				response, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewReader(response.Body)
				if welcome := event(t, lines); !strings.Contains(welcome, "welcome") {
					t.Errorf("got %q", welcome)
				}
				if tt.lives {
					time.Sleep(10 * time.Second) // the server's clock, which is ours
					if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("published")}); err != nil {
						t.Fatal(err)
					}
					if got := event(t, lines); !strings.Contains(got, "published") {
						t.Errorf("got %q", got)
					}
				} else if rest, err := io.ReadAll(lines); err != nil || !strings.Contains(string(rest), "event: tidewire.reconnect\n") {
					t.Errorf("it ends with %q, %v", rest, err)
				}
				said := slices.Collect(strings.Lines(log.String()))
				if len(said) != len(tt.log) {
					t.Errorf("logged %q", said)
				}
				for i, line := range said {
					if i < len(tt.log) && !strings.Contains(line, tt.log[i]) {
						t.Errorf("logged %q, want %q", line, tt.log[i])
					}
				}
				cancel()
				response.Body.Close()
				client.CloseIdleConnections()
				if err := hub.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
				server.Close()
				<-served
			})
		})
	}
}
