package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
)

// posted is a request with a form.
func posted(path, body string, headers ...string) string {
	return request(http.MethodPost, path, body, append(headers, "Content-Type: application/x-www-form-urlencoded")...)
}

// request is a request as it is on the wire.
func request(method, path, body string, headers ...string) string {
	lines := []string{method + " /push/" + path + " HTTP/1.1"}
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Host:") }) {
		lines = append(lines, "Host: x")
	}
	lines = append(lines, headers...)
	if body != "" {
		lines = append(lines, "Content-Length: "+itoa(len(body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func itoa(n int) string { text, _ := json.Marshal(n); return string(text) }

// TestRefusalsSayThatTheyAreOurs: whatever a route refuses, its answer is JSON with a code, by
// which a client tells it from that of a proxy or of a captive portal.
func TestRefusalsSayThatTheyAreOurs(t *testing.T) {
	const (
		evil    = "Origin: https://evil.example"
		unknown = "User: unknown"
		slow    = "User: slow"
		broken  = "User: broken"
		upgrade = "Upgrade: websocket"
		connect = "Connection: Upgrade"
		version = "Sec-WebSocket-Version: 13"
		key     = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
		bearer  = "Authorization: Bearer k"
	)
	get, post := http.MethodGet, http.MethodPost
	full := push.Options{Limits: push.Limits{Connections: 1}}
	address := push.Options{Limits: push.Limits{PerAddress: 1}}
	user := push.Options{Limits: push.Limits{PerUser: 1}}
	opens := push.Options{Limits: push.Limits{Opens: push.Rate{PerSecond: 0.001, Burst: 1}}}
	sends := push.Options{Limits: push.Limits{Sends: push.Rate{PerSecond: 0.001, Burst: 1}}}
	failures := push.Options{Limits: push.Limits{Failures: push.Rate{PerSecond: 0.001, Burst: 1}}}
	large := strings.Repeat("x", 64<<10+1)
	stream := request(get, "sse?topic=a", "")
	tests := []struct {
		options push.Options
		before  string // a request that is made first
		status  int
		code    push.Code
		all     []string // requests
	}{
		{push.Options{}, "", 400, push.CodeBadRequest, []string{
			request(get, "sse", ""), request(get, "sse?topic=", ""), request(get, "sse?topic=%zz", ""), request(get, "sse?topic=a&v=2", ""),
			request(get, "sse?topic=a&format=x", ""), request(get, "sse?topic=a", "x"), posted("sse", "topic=a&x=1"), posted("sse?topic=a", ""),
			request(get, "poll", ""), request(get, "poll?topic=a*", ""), request(get, "poll?topic=a&wait=x", ""), request(get, "poll?topic=a", "x"),
			request(get, "poll?topic=a&ticket=x", ""), posted("poll", "topic=%zz"), posted("poll", ""),
			request(post, "send", "x"), request(post, "send?topic=a&x=1", "x"), request(post, "send?topic=a*", "x"),
			request(post, "publish?topic=a&x=1", "x", bearer), request(post, "publish?topic=a*", "x", bearer),
			request(post, "refresh", ""), request(post, "ticket?x=1", "", "User: u"),
			request(get, "ws", "", upgrade, connect, version), request(get, "ws", "", upgrade, connect, version, "Sec-WebSocket-Key: x"),
		}},
		{push.Options{}, "", 401, push.CodeUnauthenticated, []string{
			request(get, "sse?topic=a", "", unknown), posted("sse", "topic=a", unknown), request(get, "poll?topic=a", "", unknown),
			posted("poll", "topic=a", unknown), request(get, "sse?topic=a&ticket=x", ""), request(post, "send?topic=a", "x", unknown),
			request(post, "publish?topic=a", "x"), request(post, "refresh?session=x", "", unknown), request(post, "ticket", "", unknown),
		}},
		{push.Options{}, "", 403, push.CodeForbidden, []string{
			request(get, "sse?topic=refused", ""), posted("sse", "topic=refused&topic=refused/2"), request(get, "poll?topic=refused", ""),
			posted("poll", "topic=refused"), request(post, "send?topic=refused", "x"),
			request(get, "sse?topic=a", "", evil), posted("sse", "topic=a", evil), request(get, "poll?topic=a", "", evil), posted("poll", "topic=a", evil),
			request(post, "send?topic=a", "x", evil), request(post, "publish?topic=a", "x", bearer, evil), request(post, "refresh?session=x", "", evil),
			request(post, "ticket", "", evil), request(get, "nothing", "", evil), request(get, "ws", "", upgrade, connect, version, key, evil),
			request(http.MethodOptions, "send", "", evil, "Access-Control-Request-Method: POST"),
			request(get, "ws?topic=a", "", upgrade, connect, version, key, "Cookie: a=b"), posted("sse", "topic=a", "Cookie: a=b"),
		}},
		{push.Options{}, "", 404, push.CodeBadRequest, []string{
			request(get, "", ""), request(get, "nothing", ""), request(get, "client.ts", ""), request(get, "MANIFEST", ""), request(post, "sse/a", "x"),
		}},
		{push.Options{}, "", 405, push.CodeBadRequest, []string{
			request("DELETE", "sse", ""), request("HEAD", "poll?topic=a", ""), request("PUT", "poll", "x"), request(get, "send?topic=a", ""),
			request(get, "publish?topic=a", ""), request(get, "refresh", ""), request(get, "ticket", ""), request(post, "client.js", ""),
			request(post, "client.mjs", ""), request("DELETE", "client.d.mts", ""), request(post, "ws", "x"),
			request(http.MethodOptions, "sse", ""), // no preflight
		}},
		{push.Options{}, "", 406, push.CodeBadRequest, []string{request(get, "sse?topic=a", "", "Accept: text/html"), posted("sse", "topic=a", "Accept: text/html")}},
		{push.Options{}, "", 409, push.CodeWrongKind, []string{request(get, "sse?state=a", ""), posted("poll", "state=a")}},
		{push.Options{}, "", 409, push.CodeConflict, []string{request(post, "send?topic=conflict", "x")}},
		{push.Options{}, "", 413, push.CodeTooLarge, []string{
			posted("sse", large), posted("poll", large), request(post, "send?topic=a", large), request(post, "publish?topic=a", large, bearer),
		}},
		{push.Options{}, "", 415, push.CodeUnsupported, []string{
			request(post, "sse", "topic=a"), request(post, "poll", "{}", "Content-Type: application/json"), posted("sse", "x", "Content-Encoding: gzip"),
			request(post, "send?topic=a", "x", "Content-Type: multipart/form-data"), request(post, "publish?topic=a", "x", bearer, "Content-Encoding: gzip"),
		}},
		{push.Options{}, "", 426, push.CodeBadRequest, []string{
			request(get, "ws", ""), request(get, "ws", "", upgrade), request(get, "ws", "", upgrade, connect, "Sec-WebSocket-Version: 8", key),
		}},
		{address, stream, 429, push.CodeLimitReached, []string{
			request(get, "sse?topic=a", ""), posted("sse", "topic=a"), request(get, "poll?topic=a", ""), posted("poll", "topic=a"),
			request(get, "ws", "", upgrade, connect, version, key),
		}},
		{user, request(get, "sse?topic=a", "", "User: u"), 429, push.CodeLimitReached, []string{
			request(get, "sse?topic=a", "", "User: u"), posted("sse", "topic=a", "User: u"), posted("poll", "topic=a", "User: u"),
		}},
		{sends, request(post, "send?topic=a", "x", "User: u"), 429, push.CodeRateLimited, []string{
			request(post, "send?topic=a", "x", "User: u"), request(post, "refresh?session=x", "", "User: u"), request(post, "ticket", "", "User: u"),
		}},
		{failures, request(get, "sse?topic=a", "", unknown), 429, push.CodeRateLimited, []string{
			request(get, "sse?topic=a", "", unknown), posted("sse", "topic=a", unknown), posted("poll", "topic=a", unknown),
			request(post, "send?topic=a", "x", unknown), request(get, "ws", "", upgrade, connect, version, key, unknown),
		}},
		{push.Options{}, "", 431, push.CodeBadRequest, []string{
			request(get, "ws", "", upgrade, connect, version, key, "Sec-WebSocket-Protocol: "+strings.Repeat("a,", 200)+"a"),
		}},
		{push.Options{}, "", 500, push.CodeInternal, []string{
			request(get, "sse?topic=a", "", broken), posted("poll", "topic=a", broken), request(post, "send?topic=panic", "x"),
		}},
		{full, stream, 503, push.CodeUnavailable, []string{
			request(get, "sse?topic=a", ""), posted("sse", "topic=a"), request(get, "poll?topic=a", ""), posted("poll", "topic=a"),
			request(get, "ws", "", upgrade, connect, version, key),
		}},
		{opens, stream, 503, push.CodeUnavailable, []string{
			request(get, "sse?topic=a", ""), posted("sse", "topic=a"), request(get, "poll?topic=a", ""), posted("poll", "topic=a&since=1"),
			request(get, "ws", "", upgrade, connect, version, key),
		}},
		{push.Options{AccessTimeout: 1}, "", 503, push.CodeTimeout, []string{
			request(get, "sse?topic=a", "", slow), posted("sse", "topic=a", slow), posted("poll", "topic=a", slow), request(post, "send?topic=a", "x", slow),
		}},
		{push.Options{}, "", 503, push.CodeDraining, []string{
			request(get, "sse?topic=a", ""), posted("sse", "topic=a"), request(get, "poll?topic=a", ""), posted("poll", "topic=a"),
			request(get, "ws", "", upgrade, connect, version, key),
		}},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status)+" "+string(tt.code), func(t *testing.T) {
			release := make(chan struct{})
			options := tt.options
			options.Logger = slog.New(slog.DiscardHandler)
			options.Identify = func(r *http.Request) (push.Identity, error) {
				switch user := r.Header.Get("User"); user {
				case "unknown":
					return push.Identity{}, errors.New("nobody knows them")
				case "broken":
					panic("in the application")
				case "slow":
					<-release
					return push.Identity{}, nil
				default:
					return push.Identity{User: user}, nil
				}
			}
			options.Authorize = func(_ context.Context, a push.Access) error {
				if strings.HasPrefix(a.Topic, "refused") {
					return push.CodeForbidden
				}
				return nil
			}
			options.Receive = func(_ context.Context, in push.Inbound) (push.Reply, error) {
				switch in.Topic {
				case "panic":
					panic("in the application")
				case "conflict":
					return push.Reply{}, push.CodeConflict
				}
				return push.Reply{}, nil
			}
			hub := push.New(membroker.New(), options)
			mux := http.NewServeMux()
			mux.Handle("/push/", transport.Routes(hub, transport.Options{PublishKey: "k", Tickets: true}))
			server := httptest.NewServer(mux)
			defer server.Close()
			defer func() {
				if err := hub.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			defer close(release)
			if tt.before != "" {
				ask(t, server, tt.before)
			}
			if tt.code == push.CodeDraining {
				hub.Drain()
			}
			for _, request := range tt.all {
				response, body := ask(t, server, request)
				line, _, _ := strings.Cut(request, "\r\n")
				if response.StatusCode != tt.status {
					t.Errorf("%.80s: %s %s, want %d", line, response.Status, body, tt.status)
					continue
				}
				h := response.Header
				if h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store, no-transform" {
					t.Errorf("%.80s: %s with %v", line, response.Status, h)
				}
				if strings.HasPrefix(line, http.MethodHead) {
					continue // there is no body
				}
				if failure, err := protocol.ParseHTTPError(body); err != nil || failure.Code != tt.code || failure.Reason == "" || failure.Retry == "" {
					t.Errorf("%.80s: %s with %q: %v", line, response.Status, body, err)
				}
				if tt.status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
					t.Errorf("%.80s: %s without Retry-After", line, response.Status)
				}
				if tt.status == http.StatusUpgradeRequired && h.Get("Upgrade") != "websocket" {
					t.Errorf("%.80s: %s with %v", line, response.Status, h)
				}
			}
		})
	}
}

// ask makes a request over a connection that stays open to the end of the test, and returns
// what there is of the answer if it isn't 200.
func ask(t *testing.T, server *httptest.Server, request string) (*http.Response, []byte) {
	t.Helper()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(testaid.Patience)); err != nil {
		t.Fatal(err)
	}
	write(c, []byte(request))
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.80q: %v", request, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%.80q: %v", request, err)
	}
	return response, body
}
