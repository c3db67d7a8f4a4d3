package sse_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/sse"
)

// post opens a stream by a POST.
func post(t *testing.T, server *httptest.Server, query, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// TestPostedStreamIsThatOfAGetWithoutIDs: byte for byte, for one topic and for several, but
// for what differs from session to session.
func TestPostedStreamIsThatOfAGetWithoutIDs(t *testing.T) {
	for _, topics := range []string{"topic=a", "topic=a&topic=b", "topic=bad*&topic=a&recent=1"} {
		for name, way := range ways {
			hub, server := serveBy(t, way.major, sse.Options{}, way.wrap)
			asked := get(t, server, http.MethodGet, "?"+topics, nil)
			posted := post(t, server, "?mine=1", topics)
			if posted.StatusCode != http.StatusOK || posted.Header.Get("Content-Type") != "text/event-stream" || posted.ProtoMajor != way.major {
				t.Fatalf("%s %s, %v", posted.Proto, posted.Status, posted.Header)
			}
			one, other := bufio.NewReader(asked.Body), bufio.NewReader(posted.Body)
			welcome := event(t, other)
			if lines := strings.Split(welcome, "\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "retry: ") || lines[1] != "event: tidewire.welcome" {
				t.Errorf("welcome is %q", welcome)
			}
			event(t, one)
			for i, size := range []int{1, 60_000, 10} {
				m := push.Message{Topic: "a", Event: "e", ID: fmt.Sprint(i), Data: []byte(strings.Repeat("x", size))}
				if _, err := hub.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				want := event(t, one)
				_, want, _ = strings.Cut(want, "\n")
				if got := event(t, other); got != want || !strings.HasPrefix(got, "event: e\n") {
					t.Errorf("%s, %s: got %.200q, want %.200q", name, topics, got, want)
				}
			}
		}
	}
}

// ways are those in which a stream reaches its client.
var ways = map[string]struct {
	major int
	wrap  func(http.Handler) http.Handler
}{
	"HTTP/2":             {2, nil},
	"HTTP/1":             {1, nil},
	"HTTP/1, a response": {1, hiding},
}

// serveBy is serve for a client that speaks a version of HTTP.
func serveBy(t *testing.T, major int, options sse.Options, wrap func(http.Handler) http.Handler) (*push.Hub, *httptest.Server) {
	t.Helper()
	hub, server := serve(t, options, wrap)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(major == 1)
	protocols.SetHTTP2(major == 2)
	server.Client().Transport.(*http.Transport).Protocols = protocols
	return hub, server
}

// TestClientOfAPostLeaves: it is noticed on a connection of its own, in a response of HTTP/1
// and in one of HTTP/2, while nothing is written.
func TestClientOfAPostLeaves(t *testing.T) {
	for name, way := range ways {
		hub, server := serveBy(t, way.major, sse.Options{Heartbeat: time.Hour}, way.wrap)
		stream := post(t, server, "", "topic=a")
		event(t, bufio.NewReader(stream.Body))
		if n := hub.Stats().Sessions; n != 1 {
			t.Errorf("%s: %d sessions", name, n)
		}
		stream.Body.Close()
		testaid.Eventually(t, name+": the end of the session", func() bool { return hub.Stats().Sessions == 0 })
	}
}

// TestPostOnTheWire: a body in chunks with a trailer, one that waits for 100 Continue, and one
// that has something behind it, which is ignored.
func TestPostOnTheWire(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	server := httptest.NewServer(sse.New(hub))
	defer server.Close()
	defer func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for _, tt := range []struct{ name, request, continued, rest string }{
		{"chunks", head + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\ntop\r\n4\r\nic=a\r\n0\r\nX: y\r\n\r\n", "", ""},
		{"100 Continue", head + "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "topic=a"},
		{"something behind it", head + "Content-Length: 7\r\n\r\ntopic=aGET / HTTP/1.1\r\n\r\n", "", ""},
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(testaid.Patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, tt.request); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(conn)
		continued := make([]byte, len(tt.continued))
		if _, err := io.ReadFull(lines, continued); err != nil || string(continued) != tt.continued {
			t.Fatalf("%s: %q, %v", tt.name, continued, err)
		}
		if _, err := io.WriteString(conn, tt.rest); err != nil {
			t.Fatal(err)
		}
		for line := ""; line != "\r\n"; {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
		}
		if welcome := event(t, lines); !strings.Contains(welcome, `{"topic":"a","from":"now"`) {
			t.Errorf("%s: %q", tt.name, welcome)
		}
		if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		if got := event(t, lines); !strings.HasPrefix(got, "data: ") {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// TestHooksSeeTheURLOfAPost, and nothing of its body, however they ask.
func TestHooksSeeTheURLOfAPost(t *testing.T) {
	var seen []string
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, Identify: func(r *http.Request) (push.Identity, error) {
		seen = append(seen, r.URL.Query().Get("mine"), r.FormValue("mine"), r.FormValue("topic"), r.PostFormValue("topic"))
		body, err := io.ReadAll(r.Body)
		seen = append(seen, string(body))
		return push.Identity{}, err
	}})
	server := httptest.NewServer(sse.New(hub))
	defer server.Close()
	stream := post(t, server, "?mine=1", "topic=a")
	if welcome := event(t, bufio.NewReader(stream.Body)); fmt.Sprintf("%q", seen) != `["1" "1" "" "" ""]` {
		t.Errorf("they saw %q, and the client %q", seen, welcome)
	}
	stream.Body.Close()
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestIDHasNoMoreThanFits: a client that asks for more topics in a URL than fit a cursor gets
// an id that it can come back with, for ever.
func TestIDHasNoMoreThanFits(t *testing.T) {
	_, server := serve(t, sse.Options{}, nil)
	query := url.Values{}
	for i := range 60 {
		query.Add("topic", fmt.Sprint("topic ", i))
	}
	id := ""
	for range 3 {
		lines := bufio.NewReader(get(t, server, http.MethodGet, "?"+query.Encode(), map[string]string{"Last-Event-ID": id}).Body)
		welcome := event(t, lines)
		line, rest, _ := strings.Cut(welcome, "\n")
		next := strings.TrimPrefix(line, "id: ")
		if n := strings.Count(next, cursor.Separator) + 1; n != cursor.MaxTopics || id != "" && next != id || strings.Count(rest, "limit_reached") != 10 {
			t.Fatalf("the id has %d topics: %q", n, welcome)
		}
		id = next
	}
}
