package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/sse"
)

func serve(t *testing.T, options sse.Options, wrap func(http.Handler) http.Handler, authorize ...func(ctx context.Context, a push.Access) error) (*push.Hub, *httptest.Server) {
	t.Helper()
	hub := push.New(membroker.New(), push.Options{Authorize: append(authorize, push.Anyone)[0]})
	handler := http.Handler(sse.New(hub, options))
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return hub, server
}

func get(t *testing.T, server *httptest.Server, method, query string, headers map[string]string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// event reads the lines of one event.
func event(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var lines strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", lines.String(), err)
		}
		if line == "\n" {
			return lines.String()
		}
		lines.WriteString(line)
	}
}

func TestStreamOverHTTP2(t *testing.T) {
	hub, server := serve(t, sse.Options{}, nil)
	response := get(t, server, http.MethodGet, "?topic=a", map[string]string{"Accept-Encoding": "br", "Range": "bytes=0-1"})
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", response.Proto, response.Status)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Encoding": "",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	lines := bufio.NewReader(response.Body)
	welcome := event(t, lines)
	if !strings.HasPrefix(welcome, "id: 1") || !strings.Contains(welcome, "\nretry: ") || !strings.Contains(welcome, "\nevent: tidewire.welcome\n") {
		t.Errorf("welcome is %q", welcome)
	}
	receipt, err := hub.Publish(t.Context(), push.Message{Topic: "a", Event: "created", ID: "i", Data: []byte("hello\n")})
	if err != nil {
		t.Fatal(err)
	}
	at := cursor.Format("a", receipt.Position)
	got := event(t, lines)
	want := "id: " + at + "\nevent: created\ndata: {\"type\":\"message\",\"topic\":\"a\",\"id\":\"i\",\"event\":\"created\",\"at\":\"" +
		at[cursor.Constant:] + "\",\"data\":\"hello\\n\"}\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestStreamOfSeveralTopicsHasOneID(t *testing.T) {
	hub, server := serve(t, sse.Options{}, nil)
	at := map[string]string{}
	publish := func(topic string) {
		t.Helper()
		receipt, err := hub.Publish(t.Context(), push.Message{Topic: topic, Data: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		at[topic] = cursor.Format(topic, receipt.Position)
	}
	publish("a")
	publish("b")
	response := get(t, server, http.MethodGet, "?topic=a&topic=b", nil)
	lines := bufio.NewReader(response.Body)
	event(t, lines)
	for _, topic := range []string{"b", "a", "b"} {
		publish(topic)
		if got, want := event(t, lines), "id: "+at["a"]+"."+at["b"]+"\ndata: "; !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNoTopicFallsOutOfTheID has a client come back while one of its topics is
// refused, and with a cursor that can't be read. Its next cursor must not look
// as if it were new to a topic.
func TestNoTopicFallsOutOfTheID(t *testing.T) {
	down := false
	hub, server := serve(t, sse.Options{}, nil, func(_ context.Context, a push.Access) error {
		if down && a.Topic == "b" {
			return push.CodeUnavailable
		}
		return nil
	})
	for _, topic := range []string{"a", "b"} {
		if _, err := hub.Publish(t.Context(), push.Message{Topic: topic, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	place := func() string {
		cursor, err := hub.Cursor(t.Context(), "a", "b")
		if err != nil {
			t.Fatal(err)
		}
		return cursor
	}
	tests := []struct {
		name, since string
		down        bool
		want        []string
	}{
		{"refused", place(), true, []string{place()}},
		{"broken", "broken", false, []string{cursor.Empty, cursor.Empty, place()}},
		{"broken and refused", "broken", true, []string{cursor.Empty, strings.Split(place(), ".")[0]}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			down = test.down
			lines := bufio.NewReader(get(t, server, http.MethodGet, "?topic=a&topic=b&since="+test.since, nil).Body)
			for _, want := range test.want {
				if got := event(t, lines); !strings.HasPrefix(got, "id: "+want+"\n") {
					t.Errorf("got %q, want the id %s", got, want)
				}
			}
		})
	}
}

func TestHeartbeatIsAComment(t *testing.T) {
	_, server := serve(t, sse.Options{Heartbeat: time.Millisecond}, nil)
	lines := bufio.NewReader(get(t, server, http.MethodGet, "?topic=a", nil).Body)
	event(t, lines)
	for range 3 {
		wantBeat(t, lines)
	}
}

// wantBeat reads a heartbeat: a comment, and no blank line, which some clients would take
// for the end of an event without data.
func wantBeat(t *testing.T, lines *bufio.Reader) {
	t.Helper()
	if got, err := lines.ReadString('\n'); got != ":\n" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestBadRequests(t *testing.T) {
	_, server := serve(t, sse.Options{}, nil)
	tests := []struct {
		name, method, query string
		headers             map[string]string
		want                int
	}{
		{"PUT", http.MethodPut, "?topic=a", nil, 405},
		{"other Accept", http.MethodGet, "?topic=a", map[string]string{"Accept": "application/json"}, 406},
		{"zero quality", http.MethodGet, "?topic=a", map[string]string{"Accept": "text/event-stream;q=0"}, 406},
		{"some Accept", http.MethodHead, "?topic=a", map[string]string{"Accept": "text/html, text/event-stream;q=0.5"}, 200},
		{"any Accept", http.MethodHead, "?topic=a", map[string]string{"Accept": "*/*"}, 200},
		{"no topic", http.MethodGet, "", nil, 400},
		{"empty topic", http.MethodGet, "?topic=", nil, 400},
		{"topic twice", http.MethodGet, "?topic=a&topic=a", nil, 400},
		{"bad topic", http.MethodGet, "?topic=a%00", nil, 400},
		{"bad escape", http.MethodGet, "?topic=%zz", nil, 400},
		{"10,000 topics", http.MethodGet, "?" + strings.Repeat("topic=a&", 5000), nil, 400},
		{"64 kB", http.MethodGet, "?topic=" + strings.Repeat("a", 64<<10), nil, 400},
		{"long cursor", http.MethodGet, "?topic=a&since=" + strings.Repeat("x", 4097), nil, 400},
		{"long Last-Event-ID", http.MethodGet, "?topic=a", map[string]string{"Last-Event-ID": strings.Repeat("x", 4097)}, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := get(t, server, test.method, test.query, test.headers)
			if response.StatusCode != test.want {
				t.Errorf("status %d, want %d", response.StatusCode, test.want)
			}
			body, err := io.ReadAll(response.Body) // nothing follows the answer
			if whole := json.Valid(body); err != nil || whole != (test.want >= 400) || len(body) > 0 && !whole {
				t.Errorf("answered %q, %v", body, err)
			}
		})
	}
}

// TestBodyThatNeverComes has requests that announce a body. net/http would wait for
// it before the first event, and nothing could end that wait.
func TestBodyThatNeverComes(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	server := httptest.NewServer(sse.New(hub, sse.Options{WriteTimeout: 100 * time.Millisecond}))
	defer server.Close()
	for _, header := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", header)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest || !response.Close {
			t.Errorf("%s: %s, close %v", header, response.Status, response.Close)
		}
		if err := conn.SetReadDeadline(time.Now().Add(testaid.Patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection isn't closed", header)
		}
	}
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestLastEventIDWinsOverSince(t *testing.T) {
	hub, server := serve(t, sse.Options{}, nil)
	var cursors []string
	for _, data := range []string{"1", "2", "3"} {
		receipt, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, cursor.Format("a", receipt.Position))
	}
	lines := bufio.NewReader(get(t, server, http.MethodGet, "?topic=a&since="+cursors[0], map[string]string{"Last-Event-ID": cursors[1]}).Body)
	event(t, lines)
	if got := event(t, lines); !strings.Contains(got, `"data":"3"`) {
		t.Errorf("got %q", got)
	}
}

// hidden is a response writer of a middleware that knows nothing of flushing.
type hidden struct{ http.ResponseWriter }

func TestMiddlewareThatHidesFlush(t *testing.T) {
	_, server := serve(t, sse.Options{}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(hidden{w}, r) })
	})
	response := get(t, server, http.MethodGet, "?topic=a", nil)
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), "http.Flusher") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// TestAbortCutsAFarewell: a client that doesn't read isn't waited for when it is told
// goodbye, which TLS would do for some seconds.
func TestAbortCutsAFarewell(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	server := httptest.NewTLSServer(sse.New(hub, sse.Options{WriteTimeout: 100 * time.Millisecond}))
	defer server.Close()
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), server.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.NetConn().Close()
	if _, err := io.WriteString(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 { // more than all buffers hold
		if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: bytes.Repeat([]byte("x"), 60<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = hub.Shutdown(ctx) // nil if the client was given up before
	if n := hub.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions after Shutdown, which said %v", n, err)
	}
}
