package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

// TestRefusalsHoldNoConnection: an address that has all the connections that it may
// have, makes a thousand requests more over as many connections, and leaves them open.
// Whatever they are refused for, the server keeps none of them.
func TestRefusalsHoldNoConnection(t *testing.T) {
	const stalled = "Content-Length: 10\r\n\r\n12" // a body that doesn't come
	requests := []struct {
		request string
		want    int
	}{
		{handshakeTo("/push/ws?topic=a"), 429},
		{"GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n", 429},
		{"POST /push/sse HTTP/1.1\r\nHost: x\r\n" + stalled, 429},
		{"POST /push/poll HTTP/1.1\r\nHost: x\r\n" + stalled, 429},
		{"GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n", 403},
		{handshakeTo("/push/ws?topic=a", "Origin: https://evil.example", ""), 403},
		{"GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n", 406},
		{"DELETE /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"GET /push/nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"POST /push/client.js HTTP/1.1\r\nHost: x\r\n" + stalled, 405},
		{"GET /push/send HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"POST /push/send HTTP/1.1\r\nHost: x\r\n" + stalled, 400},
		{"POST /push/publish?topic=a HTTP/1.1\r\nHost: x\r\n" + stalled, 401},
		{"POST /push/publish?topic=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", 401},
		{"POST /push/refresh HTTP/1.1\r\nHost: x\r\n" + stalled, 400},
		{"POST /push/ticket HTTP/1.1\r\nHost: x\r\n" + stalled, 404},
	}
	hub := push.New(membroker.New(), push.Options{
		Authorize: push.Anyone, Limits: push.Limits{PerAddress: 3}, Logger: slog.New(slog.DiscardHandler),
	})
	mux := http.NewServeMux()
	mux.Handle("/push/", transport.Routes(hub, transport.Options{PublishKey: "k"}))
	server := httptest.NewUnstartedServer(mux)
	listener := &countedListener{Listener: server.Listener}
	server.Listener = listener
	server.Start()
	defer server.Close()
	defer func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	open := func(request string) net.Conn {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		write(c, []byte(request))
		return c
	}
	for range 3 {
		c := open("GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	for i := range 1000 {
		r := requests[i%len(requests)]
		c := open(r.request)
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%.60q: %v", r.request, err)
		}
		if response.StatusCode != r.want || !response.Close {
			t.Errorf("%.60q: %s, Connection %v, want %d", r.request, response.Status, response.Header["Connection"], r.want)
		}
	}
	eventually(t, "the end of what was refused", func() bool { return listener.open.Load() == 3 })
}

// TestRefusalOverHTTP2LeavesTheConnection to the other requests on it, which behind a
// proxy may be those of others.
func TestRefusalOverHTTP2LeavesTheConnection(t *testing.T) {
	hub, server := hardened(t, push.Options{Limits: push.Limits{PerAddress: 1}})
	server.EnableHTTP2 = true
	listener := &countedListener{Listener: server.Listener}
	server.Listener = listener
	server.StartTLS()
	get := func(path string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	stream := get("/push/sse?topic=a")
	for range 10 {
		if response := get("/push/sse?topic=a"); response.StatusCode != http.StatusTooManyRequests || response.ProtoMajor != 2 {
			t.Fatalf("%s %s", response.Proto, response.Status)
		}
	}
	if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("for the stream")}); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stream.Body)
	for line := ""; !strings.Contains(line, "for the stream"); {
		var err error
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if n := listener.open.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// refusalLine is what the log says of a refusal.
type refusalLine struct {
	Msg, Route, Method, Code, Reason, Hint, Error, Origin, Host, Address, Topic string
}

// TestEveryRefusalIsLogged: in one line, which names its cause, and has nothing in it by
// which somebody could be somebody else.
func TestEveryRefusalIsLogged(t *testing.T) {
	const secret = "S3CR3T"
	limits := func(l push.Limits) push.Options { return push.Options{Limits: l} }
	one := limits(push.Limits{PerAddress: 1})
	tests := []struct {
		name    string
		options push.Options
		before  string // a request that is taken
		request string
		want    refusalLine // each is a part of what is said
	}{
		{"foreign origin on a handshake", push.Options{}, "", handshakeTo("/push/ws?topic=a&token="+secret, "Origin: https://app.example", ""),
			refusalLine{Route: "/push/ws", Code: "forbidden", Origin: "https://app.example", Host: "x", Hint: "proxy_set_header Host"}},
		{"foreign origin on a send", push.Options{}, "", "POST /push/send?topic=a HTTP/1.1\r\nHost: 127.0.0.1:80\r\nOrigin: https://app.example\r\nContent-Length: 1\r\n\r\nx",
			refusalLine{Route: "/push/send", Method: "POST", Code: "forbidden", Origin: "https://app.example", Host: "127.0.0.1:80", Hint: "push.Options.Origins"}},
		{"foreign preflight", push.Options{}, "", "OPTIONS /push/send HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
			refusalLine{Route: "/push/send", Method: "OPTIONS", Code: "forbidden", Origin: "https://app.example"}},
		{"cookie without an origin", push.Options{}, "", handshakeTo("/push/ws?topic=a", "Cookie: session="+secret, ""),
			refusalLine{Route: "/push/ws", Code: "forbidden", Hint: "push.NoOrigin"}},
		{"address limit, handshake", one, "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n", handshakeTo("/push/ws?topic=a", ""),
			refusalLine{Route: "/push/ws", Code: "limit_reached", Address: "127.0.0.1", Hint: "push.Options.Proxies"}},
		{"address limit, stream", one, "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Route: "/push/sse", Code: "limit_reached", Address: "127.0.0.1", Hint: "push.Options.Proxies"}},
		{"user limit, handshake", limits(push.Limits{PerUser: 1}), "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nUser: u\r\n\r\n", handshakeTo("/push/ws?topic=a", "User: u", ""),
			refusalLine{Route: "/push/ws", Code: "limit_reached", Hint: "push.Limits.PerUser"}},
		{"user limit, stream", limits(push.Limits{PerUser: 1}), "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nUser: u\r\n\r\n", "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nUser: u\r\n\r\n",
			refusalLine{Route: "/push/sse", Code: "limit_reached", Hint: "push.Limits.PerUser"}},
		{"all connections", limits(push.Limits{Connections: 1}), "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Route: "/push/sse", Code: "unavailable", Hint: "push.Limits.Connections"}},
		{"messages too fast", limits(push.Limits{Sends: push.Rate{PerSecond: 0.001, Burst: 1}}), "POST /push/send?topic=a HTTP/1.1\r\nHost: x\r\nUser: u\r\nContent-Length: 1\r\n\r\nx",
			"POST /push/send?topic=a HTTP/1.1\r\nHost: x\r\nUser: u\r\nContent-Length: 1\r\n\r\nx",
			refusalLine{Route: "/push/send", Code: "rate_limited", Hint: "push.Limits.Sends"}},
		{"unknown user", push.Options{}, "", "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\nUser: unknown\r\n\r\n",
			refusalLine{Route: "/push/sse", Code: "unauthenticated", Error: "nobody knows them"}},
		{"unknown user, handshake", push.Options{}, "", handshakeTo("/push/ws?topic=a", "Authorization: Bearer "+secret, "User: unknown", ""),
			refusalLine{Route: "/push/ws", Code: "unauthenticated", Error: "nobody knows them"}},
		{"bad ticket", push.Options{}, "", "GET /push/sse?topic=a&ticket=" + secret + " HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Route: "/push/sse", Code: "unauthenticated", Reason: "the ticket isn't good"}},
		{"bad ticket, handshake", push.Options{}, "", handshakeTo("/push/ws?topic=a&ticket="+secret, ""),
			refusalLine{Route: "/push/ws", Code: "unauthenticated", Reason: "the ticket isn't good"}},
		{"topic that isn't theirs", push.Options{}, "", "GET /push/sse?topic=refused&x=" + secret + " HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Code: "forbidden", Topic: "refused"}},
		{"topic that isn't theirs, handshake", push.Options{}, "", handshakeTo("/push/ws?topic=refused", ""),
			refusalLine{Code: "forbidden", Topic: "refused"}},
		{"message that isn't theirs", push.Options{}, "", "POST /push/send?topic=refused HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n" + secret,
			refusalLine{Route: "/push/send", Code: "forbidden"}},
		{"no topic", push.Options{}, "", "GET /push/sse?x=" + secret + " HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Route: "/push/sse", Code: "bad_request", Reason: "no topic is named"}},
		{"topics that aren't a form", push.Options{}, "", "POST /push/sse HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n" + secret,
			refusalLine{Route: "/push/sse", Code: "unsupported", Reason: "form"}},
		{"unknown parameter of a form", push.Options{}, "", "POST /push/poll HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\n" + secret,
			refusalLine{Route: "/push/poll", Code: "bad_request", Reason: "unknown parameter"}},
		{"name of no topic", push.Options{}, "", "GET /push/sse?topic=a*" + secret + " HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Code: "bad_request", Method: "", Reason: "a topic has none of"}},
		{"method", push.Options{}, "", secret[:1] + "ELETE /push/sse HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Route: "/push/sse", Method: "SELETE", Code: "bad_request", Reason: "method"}},
		{"not a handshake", push.Options{}, "", "GET /push/ws HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Route: "/push/ws", Code: "bad_request", Reason: "WebSocket"}},
		{"Accept", push.Options{}, "", "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nAccept: " + secret + "\r\n\r\n",
			refusalLine{Route: "/push/sse", Code: "bad_request", Reason: "text/event-stream"}},
		{"route", push.Options{}, "", "GET /push/" + secret + " HTTP/1.1\r\nHost: x\r\n\r\n",
			refusalLine{Route: "/push/", Code: "bad_request", Reason: "nothing is here"}},
		{"publish key", push.Options{}, "", "POST /push/publish?topic=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\nContent-Length: 1\r\n\r\nx",
			refusalLine{Route: "/push/publish", Code: "unauthenticated"}},
		{"unknown parameter", push.Options{}, "", "POST /push/send?topic=a&" + secret + "=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
			refusalLine{Route: "/push/send", Code: "bad_request", Reason: "unknown parameter"}},
		{"refresh of nothing", push.Options{}, "", "POST /push/refresh HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
			refusalLine{Route: "/push/refresh", Code: "bad_request", Reason: "session"}},
		{"ticket for an unknown user", push.Options{}, "", "POST /push/ticket HTTP/1.1\r\nHost: x\r\nUser: unknown\r\nContent-Length: 0\r\n\r\n",
			refusalLine{Route: "/push/ticket", Code: "unauthenticated"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testaid.Log
			tt.options.Logger = slog.New(slog.NewJSONHandler(&log, nil))
			tt.options.Identify = func(r *http.Request) (push.Identity, error) {
				if r.Header.Get("User") == "unknown" {
					return push.Identity{}, errors.New("nobody knows them")
				}
				return push.Identity{User: r.Header.Get("User")}, nil
			}
			tt.options.Authorize = func(_ context.Context, a push.Access) error {
				if a.Topic == "refused" {
					return push.CodeForbidden
				}
				return nil
			}
			tt.options.Receive = func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil }
			hub := push.New(membroker.New(), tt.options)
			routes := transport.Routes(hub, transport.Options{PublishKey: "k", Tickets: true})
			mux := http.NewServeMux()
			mux.Handle("/push/", routes)
			server := httptest.NewServer(mux)
			defer server.Close()
			for _, request := range []string{tt.before, tt.request} {
				if request == "" {
					continue
				}
				c, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				write(c, []byte(request))
				if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "a line", func() bool { return log.String() != "" })
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_ = hub.Shutdown(ctx) // WebSockets that don't answer its close frames are cut

			got := refusedLines(t, log.String())
			if len(got) != 1 || strings.Contains(log.String(), secret) {
				t.Fatalf("logged:\n%s", log.String())
			}
			if tt.want.Method == "" && tt.want.Route != "" {
				tt.want.Method = tt.request[:strings.IndexByte(tt.request, ' ')]
			}
			for name, part := range map[string][2]string{
				"route": {got[0].Route, tt.want.Route}, "method": {got[0].Method, tt.want.Method}, "code": {got[0].Code, tt.want.Code},
				"reason": {got[0].Reason, tt.want.Reason}, "hint": {got[0].Hint, tt.want.Hint}, "error": {got[0].Error, tt.want.Error},
				"origin": {got[0].Origin, tt.want.Origin}, "host": {got[0].Host, tt.want.Host}, "address": {got[0].Address, tt.want.Address}, "topic": {got[0].Topic, tt.want.Topic},
			} {
				if !strings.Contains(part[0], part[1]) {
					t.Errorf("%s is %q, want %q", name, part[0], part[1])
				}
			}
			total := uint64(0)
			for _, n := range hub.Stats().Refused {
				total += n
			}
			if total != 1 || hub.Stats().Refused[push.Code(tt.want.Code)] != 1 {
				t.Errorf("counted %v", hub.Stats().Refused)
			}
		})
	}
}

func refusedLines(t *testing.T, log string) (lines []refusalLine) {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader([]byte(log))); ; {
		var line refusalLine
		if err := d.Decode(&line); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		if line.Msg == "push: refused" {
			lines = append(lines, line)
		} else {
			t.Error(fmt.Sprint("logged ", line))
		}
	}
}
