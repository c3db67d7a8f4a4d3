package jwtauth_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// site is a server with push routes whose clients are known by tokens.
type site struct {
	key    any
	hub    *push.Hub
	client *http.Client
	url    string
}

func newHub(key any) *push.Hub {
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}, Cookie: "session"}))
	return push.New(membroker.New(), push.Options{
		Identify: a.Identify,
		Authorize: func(_ context.Context, a push.Access) error {
			if a.Topic != "users/"+a.Identity.User {
				return push.CodeForbidden
			}
			return nil
		},
		Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
			return push.Reply{Data: []byte("from " + in.Identity.User)}, nil
		},
	})
}

func newSite(t *testing.T) *site {
	t.Helper()
	key := secret(32).private
	s := &site{key: key, hub: newHub(key), client: &http.Client{Transport: &http.Transport{}}}
	server := httptest.NewServer(transport.Routes(s.hub))
	s.url = server.URL
	t.Cleanup(func() {
		if err := s.hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s.client.CloseIdleConnections()
		server.Close()
	})
	return s
}

// answer is what a client gets at first on a route: a frame, or how it is refused.
func (s *site) answer(ctx context.Context, route, query string, header http.Header) string {
	switch route {
	case "ws":
		return s.dial(ctx, query, header)
	case "send":
		return s.fetch(ctx, http.MethodPost, route+query, header)
	default:
		return s.fetch(ctx, http.MethodGet, route+query, header)
	}
}

func (s *site) dial(ctx context.Context, query string, header http.Header) string {
	c, response, err := websocket.Dial(ctx, s.url+"/ws"+query, &websocket.DialOptions{HTTPClient: s.client, HTTPHeader: header})
	switch {
	case response == nil:
		return err.Error()
	case err != nil:
		return response.Status
	}
	defer c.CloseNow()
	_, data, err := c.Read(ctx)
	if err != nil {
		return err.Error()
	}
	if strings.Contains(string(data), `"type":"error"`) {
		_, _, err = c.Read(ctx)
		return string(data) + err.Error()
	}
	return string(data)
}

func (s *site) fetch(ctx context.Context, method, path string, header http.Header) string {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("hello")
	}
	r := must(http.NewRequestWithContext(ctx, method, s.url+"/"+path, body))
	r.Header = header.Clone()
	response, err := s.client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	answer := response.Status + response.Header.Get("WWW-Authenticate")
	for lines := bufio.NewScanner(response.Body); lines.Scan() && !strings.Contains(answer, "}"); {
		answer += lines.Text()
	}
	return answer
}

// TestOverBothTransports has a client with each kind of credentials come by each of
// the routes.
func TestOverBothTransports(t *testing.T) {
	s := newSite(t)
	ann := sign(t, "HS256", s.key, nil, nil)
	expired := sign(t, "HS256", s.key, nil, object{"exp": 1})
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	const bad, none = "the token isn't valid", "not authenticated"
	for name, test := range map[string]struct {
		query         string
		header        http.Header
		ws, sse, send string // what the answers hold
		reason        string
	}{
		"header":             {"", header("Authorization", "Bearer "+ann), `"welcome"`, "200", "from ann", ""},
		"cookie of our page": {"", header("Cookie", "session="+ann, "Origin", s.url), `"welcome"`, "200", "from ann", ""},
		// A browser sends the cookie for any page; this is what keeps other sites out.
		"cookie of another page": {"", header("Cookie", "session="+ann, "Origin", "https://evil.example"), "403", "403", "403", ""},
		"cookie and no origin":   {"", header("Cookie", "session="+ann), "403", "403", "403", ""},
		"expired":                {"", header("Authorization", "Bearer "+expired), "4401", "401", "401", bad},
		"expired cookie":         {"", header("Cookie", "session="+expired, "Origin", s.url), "4401", "401", "401", bad},
		"nothing":                {"", nil, "4401", "401", "401", none},
		"URL":                    {"&access_token=" + ann, header("Authorization", "Bearer "+ann), "4400", "400", "400", "a token in a URL"},
	} {
		for route, want := range map[string]string{"ws": test.ws, "sse": test.sse, "send": test.send} {
			got := s.answer(t.Context(), route, "?topic=users/ann"+test.query, test.header)
			if !strings.Contains(got, want) || !strings.Contains(got, test.reason) {
				t.Errorf("%s at %s: got %s", name, route, got)
			}
			if strings.HasPrefix(got, "401 ") && !strings.Contains(got, "UnauthorizedBearer") {
				t.Errorf("%s at %s: no challenge: %s", name, route, got)
			}
		}
	}
	bob := sign(t, "HS256", s.key, nil, object{"sub": "bob"})
	if got := s.answer(t.Context(), "sse", "?topic=users/ann", header("Authorization", "Bearer "+bob)); !strings.HasPrefix(got, "403") {
		t.Errorf("bob follows ann: %s", got)
	}
}

// wires is a network in memory.
type wires chan net.Conn

func (w wires) Accept() (net.Conn, error) {
	if c, ok := <-w; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (w wires) Close() error   { return nil }
func (w wires) Addr() net.Addr { return &net.TCPAddr{} }

func (w wires) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	w <- server
	return client, nil
}

// TestConnectionsEndWithTheirToken follows connections to the end of a minute's
// token, in virtual time.
func TestConnectionsEndWithTheirToken(t *testing.T) {
	for route, until := range map[string]func(context.Context, *testing.T, *site, http.Header) string{"ws": untilClosed, "sse": untilEnd} {
		t.Run(route, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := secret(32).private
				network := make(wires)
				s := &site{
					key: key, hub: newHub(key), url: "http://in.memory",
					client: &http.Client{Transport: &http.Transport{DialContext: network.DialContext}},
				}
				server := &http.Server{Handler: transport.Routes(s.hub)}
				go server.Serve(network)
				defer func() {
					s.client.CloseIdleConnections()
					close(network)
					server.Close()
					if err := s.hub.Shutdown(context.Background()); err != nil {
						t.Error(err)
					}
				}()
				begin := time.Now()
				token := sign(t, "HS256", key, nil, object{"exp": begin.Add(time.Minute).Unix()})
				header := http.Header{"Authorization": {"Bearer " + token}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				end := until(ctx, t, s, header)
				if took := time.Since(begin); took < 70*time.Second || took > 71*time.Second {
					t.Errorf("ended after %v", took)
				}
				if want := map[string]string{"ws": "4401", "sse": `"unauthenticated"`}[route]; !strings.Contains(end, want) {
					t.Errorf("ended with %s", end)
				}
				// And it doesn't come back with the same token.
				if got := s.answer(ctx, route, "?topic=users/ann", header); !strings.Contains(got, "401") {
					t.Errorf("came back: %s", got)
				}
			})
		})
	}
}

// untilClosed reads a WebSocket to its end.
func untilClosed(ctx context.Context, t *testing.T, s *site, header http.Header) string {
	t.Helper()
	c, _, err := websocket.Dial(ctx, s.url+"/ws?topic=users/ann", &websocket.DialOptions{HTTPClient: s.client, HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return err.Error()
		}
	}
}

// untilEnd reads an event stream to its end, and returns its last event.
func untilEnd(ctx context.Context, t *testing.T, s *site, header http.Header) string {
	t.Helper()
	r := must(http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/sse?topic=users/ann", nil))
	r.Header = header
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	events, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(events[strings.LastIndex(string(events), "event:"):])
}
