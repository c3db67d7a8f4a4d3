package sse_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/sse"
)

// pipes is a listener in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, conn := net.Pipe()
	p <- conn
	return client, nil
}

// follow follows topic a.
type follow func() *http.Response

// inVirtualTime runs a test over HTTP/1 and HTTP/2, of streams by GET and by POST, with a
// server in memory.
func inVirtualTime(t *testing.T, options push.Options, wrap func(http.Handler) http.Handler, test func(*testing.T, *push.Hub, follow)) {
	t.Helper()
	for i := range 4 {
		http2, method := i > 1, []string{http.MethodGet, http.MethodPost}[i%2]
		var protocols http.Protocols
		protocols.SetHTTP1(!http2)
		protocols.SetUnencryptedHTTP2(http2)
		t.Run(method+" "+protocols.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := push.New(membroker.New(), options)
				conns := make(pipes)
				server := &http.Server{Handler: wrap(sse.New(hub)), Protocols: &protocols}
				go func() { _ = server.Serve(conns) }() // ends with Shutdown
				transport := &http.Transport{DialContext: conns.dial, Protocols: &protocols}
				test(t, hub, func() *http.Response {
					request, err := http.NewRequestWithContext(t.Context(), method, "http://x/?topic=a", nil)
					if method == http.MethodPost {
						request, err = http.NewRequestWithContext(t.Context(), method, "http://x/", strings.NewReader("topic=a"))
						request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					}
					if err != nil {
						t.Fatal(err)
					}
					response, err := transport.RoundTrip(request)
					if err != nil {
						t.Fatal(err)
					}
					return response
				})
				if err := hub.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				transport.CloseIdleConnections()
				if err := server.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown of the server: %v", err)
				}
			})
		})
	}
}

func bare(handler http.Handler) http.Handler { return handler }

// TestStreamOutlivesTheRequestsDeadline: where the server waits for the handler, as it does
// below chi's Timeout, a deadline is only the context's, and doesn't end a stream. That the
// client leaves is noticed at once after it, too.
func TestStreamOutlivesTheRequestsDeadline(t *testing.T) {
	inVirtualTime(t, push.Options{Authorize: push.Anyone}, middleware.Timeout(time.Minute), func(t *testing.T, hub *push.Hub, follow follow) {
		for _, age := range []time.Duration{time.Second, 10 * time.Minute} {
			response := follow()
			if response.ProtoMajor == 1 {
				response.Body.Close()
				return // the connection is taken over: its request is over
			}
			lines := bufio.NewReader(response.Body)
			event(t, lines)
			time.Sleep(age) // the server's clock, which is ours
			if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("published")}); err != nil {
				t.Fatal(err)
			}
			if got := event(t, lines); !strings.Contains(got, "published") {
				t.Errorf("after %v: got %q", age, got)
			}
			response.Body.Close()
			synctest.Wait()
			if n := hub.Stats().Sessions; n != 0 {
				t.Errorf("after %v: %d sessions are left", age, n)
			}
		}
	})
}

// elsewhere is a middleware that gives each request a deadline, and runs the handler in
// another goroutine so that it can answer at the deadline itself.
func elsewhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			next.ServeHTTP(w, r.WithContext(ctx))
		}()
		select {
		case <-done:
		case <-ctx.Done():
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	})
}

// TestStreamEndsBeforeTheDeadlineOfAnotherGoroutine: where a middleware may answer before the
// handler returns, the stream ends by itself before the deadline, whole.
func TestStreamEndsBeforeTheDeadlineOfAnotherGoroutine(t *testing.T) {
	inVirtualTime(t, push.Options{Authorize: push.Anyone}, elsewhere, func(t *testing.T, hub *push.Hub, follow follow) {
		response := follow()
		defer response.Body.Close()
		if response.ProtoMajor == 1 {
			return // the connection is taken over: its request is over
		}
		if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		all, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("the stream was cut: %v", err)
		}
		if got := string(all); !strings.Contains(got, "event: tidewire.reconnect\n") || !strings.HasSuffix(got, "\n\n") {
			t.Errorf("the stream ends with %q", got)
		}
		if took := time.Since(begin); took < 50*time.Second || took >= time.Minute {
			t.Errorf("the stream ended after %v", took)
		}
		warnings := hub.Health(t.Context()).Warnings
		if len(warnings) != 1 || !strings.Contains(warnings[0], "runs the handler in another goroutine") {
			t.Errorf("warnings %q", warnings)
		}
	})
}

// TestQuietStreamLives: a write's deadline isn't one for the silence after it, which
// HTTP/2 would take it for.
func TestQuietStreamLives(t *testing.T) {
	inVirtualTime(t, push.Options{Authorize: push.Anyone}, bare, func(t *testing.T, _ *push.Hub, follow follow) {
		for range 3 {
			response := follow()
			lines := bufio.NewReader(response.Body)
			event(t, lines)
			for range 10 {
				wantBeat(t, lines)
			}
			response.Body.Close()
			synctest.Wait()
		}
	})
}

// TestExpiryWhileTopicsAreAskedFor: a stream that ends before it begins is an error with
// its status.
func TestExpiryWhileTopicsAreAskedFor(t *testing.T) {
	options := push.Options{
		Identify: func(*http.Request) (push.Identity, error) {
			return push.Identity{User: "u", Expires: time.Now().Add(-9 * time.Second)}, nil // the grace ends in a second
		},
		Authorize: func(ctx context.Context, _ push.Access) error {
			time.Sleep(2 * time.Second) //clock:virtual
			return ctx.Err()
		},
	}
	inVirtualTime(t, options, bare, func(t *testing.T, _ *push.Hub, follow follow) {
		response := follow()
		defer response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("answered %s %s", response.Status, response.Header.Get("Content-Type"))
		}
	})
}

// TestClientThatLeavesIsntSlow: it is counted as one that has gone, also while something
// is written to it.
func TestClientThatLeavesIsntSlow(t *testing.T) {
	inVirtualTime(t, push.Options{Authorize: push.Anyone}, bare, func(t *testing.T, hub *push.Hub, follow follow) {
		for _, data := range []string{"", strings.Repeat("x", 60_000)} {
			response := follow()
			event(t, bufio.NewReader(response.Body))
			if data != "" {
				if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte(data)}); err != nil {
					t.Fatal(err)
				}
			}
			response.Body.Close()
			time.Sleep(time.Second) //clock:virtual since Go 1.27 a client reads on for a moment before it closes
			synctest.Wait()
			if stats := hub.Stats(); stats.Sessions != 0 || stats.Closed[push.CodeSlowConsumer] != 0 {
				t.Errorf("stats %+v", stats)
			}
		}
	})
}
