package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	jsclient "github.com/tidewire/tidewire/js-client"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/ws"
)

// routes mounts the routes of a hub deep inside a router.
func routes(t *testing.T, hubOptions push.Options, options transport.Options) (*push.Hub, *httptest.Server) {
	t.Helper()
	if hubOptions.Authorize == nil {
		hubOptions.Authorize = push.Anyone
	}
	return routesOver(t, membroker.New(), hubOptions, options)
}

// routesOver is routes with a broker.
func routesOver(t *testing.T, broker push.Broker, hubOptions push.Options, options transport.Options) (*push.Hub, *httptest.Server) {
	t.Helper()
	hub := push.New(broker, hubOptions)
	r := chi.NewRouter()
	r.Route("/app", func(r chi.Router) { r.Mount("/push", transport.Routes(hub, options)) })
	server := httptest.NewServer(r)
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return hub, server
}

type call struct {
	method, path, body string
	headers            map[string]string
}

func (c call) do(t *testing.T, server *httptest.Server) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+"/app/push/"+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.headers {
		r.Header.Set(name, value)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func key(more ...string) map[string]string {
	headers := map[string]string{"Authorization": "Bearer secret", "Content-Type": "text/plain"}
	for i := 0; i < len(more); i += 2 {
		headers[more[i]] = more[i+1]
	}
	return headers
}

func TestPublishRoute(t *testing.T) {
	_, server := routes(t, push.Options{Origins: session.Origins{"https://friend.example"}}, transport.Options{PublishKey: "secret", MaxPublish: 100})
	tests := []struct {
		name       string
		call       call
		wantStatus int
		wantBody   string
	}{
		{"text", call{"POST", "publish?topic=a&event=e&key=k&id=i", "hello", key()}, 200, `{"id":"i","epoch":"`},
		{"again", call{"POST", "publish?topic=a&event=e&key=k&id=i", "hello", key()}, 200, `"offset":1,"duplicate":true}`},
		{"same ID, other data", call{"POST", "publish?topic=a&event=e&key=k&id=i", "other", key()}, 409, `"conflict"`},
		{"without ID", call{"POST", "publish?topic=a", "hello", key()}, 200, `"offset":2}`},
		{"no content type", call{"POST", "publish?topic=a", "hello", key("Content-Type", "")}, 200, `"offset":3}`},
		{"as curl sends it", call{"POST", "publish?topic=a", "hello", key("Content-Type", "application/x-www-form-urlencoded")}, 200, `"offset":4}`},
		{"binary", call{"POST", "publish?topic=a", "\xff\x00", key("Content-Type", "application/octet-stream")}, 200, `"offset":5}`},
		{"key in lower-case scheme", call{"POST", "publish?topic=a", "hello", key("Authorization", "bearer secret")}, 200, `"offset":6}`},
		{"no key", call{"POST", "publish?topic=a", "hello", nil}, 401, `"unauthenticated"`},
		{"wrong key", call{"POST", "publish?topic=a", "hello", key("Authorization", "Bearer secre")}, 401, `"unauthenticated"`},
		{"empty key", call{"POST", "publish?topic=a", "hello", key("Authorization", "Bearer ")}, 401, `"unauthenticated"`},
		{"GET", call{"GET", "publish?topic=a", "", key()}, 405, `"bad_request"`},
		{"no topic", call{"POST", "publish", "hello", key()}, 400, `"reason":"topic is missing in the query"`},
		{"an empty topic", call{"POST", "publish?topic=", "hello", key()}, 400, `"reason":"a topic has 1 to 200 bytes"`},
		{"a misspelt parameter", call{"POST", "publish?topic=a&Id=i", "hello", key()}, 400, `"reason":"the query has an unknown parameter; those that are known are topic, event, key, id, op, ttl, if"`},
		{"two ids", call{"POST", "publish?topic=a&id=i&id=j", "hello", key()}, 400, `"reason":"id is given twice"`},
		{"a topic twice", call{"POST", "publish?topic=a&topic=b&topic=a", "hello", key()}, 400, `"reason":"a topic is named twice"`},
		{"1,001 topics", call{"POST", "publish?topic=a" + strings.Repeat("&topic=a", 1000), "hello", key()}, 400, `"bad_request"`},
		{"1,001 topics and no key", call{"POST", "publish?topic=a" + strings.Repeat("&topic=a", 1000), "hello", nil}, 400, `"bad_request"`},
		{"bad topic", call{"POST", "publish?topic=a%0Ab", "hello", key()}, 400, `"bad_request"`},
		{"bad event", call{"POST", "publish?topic=a&event=e%0Ddata", "hello", key()}, 400, `"bad_request"`},
		{"bad escape", call{"POST", "publish?topic=a&x=%zz", "hello", key()}, 400, `"bad_request"`},
		{"ID of 1 kB", call{"POST", "publish?topic=a&id=" + strings.Repeat("i", 1024), "hello", key()}, 400, `"bad_request"`},
		{"empty body", call{"POST", "publish?topic=a", "", key()}, 200, `"offset":7}`},
		{"not UTF-8", call{"POST", "publish?topic=a", "\xff", key()}, 400, `"bad_request"`},
		{"too large", call{"POST", "publish?topic=a", strings.Repeat("x", 101), key()}, 413, `"reason":"a body has at most 100 bytes here"`},
		{"gzip", call{"POST", "publish?topic=a", "hello", key("Content-Encoding", "gzip")}, 415, `"unsupported"`},
		{"multipart", call{"POST", "publish?topic=a", "hello", key("Content-Type", "multipart/form-data; boundary=x")}, 415, `"unsupported"`},
		{"broken content type", call{"POST", "publish?topic=a", "hello", key("Content-Type", "text/")}, 415, `"unsupported"`},
		{"foreign page", call{"POST", "publish?topic=a", "hello", key("Origin", "https://evil.example")}, 403, `{"code":"forbidden","reason":"this origin is not allowed: `},
		{"friendly page", call{"POST", "publish?topic=a", "hello", key("Origin", "https://friend.example")}, 200, `"offset":8}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response, body := test.call.do(t, server)
			if response.StatusCode != test.wantStatus || !strings.Contains(body, test.wantBody) {
				t.Errorf("%d %s; want %d %s", response.StatusCode, body, test.wantStatus, test.wantBody)
			}
			if got := response.Header.Get("WWW-Authenticate"); (got == "Bearer") != (test.wantStatus == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate is %q", got)
			}
		})
	}
}

func TestPublishIsOffByDefault(t *testing.T) {
	_, server := routes(t, push.Options{}, transport.Options{})
	for _, headers := range []map[string]string{nil, key(), {"Authorization": "Bearer "}} {
		if response, _ := (call{"POST", "publish?topic=a", "hello", headers}).do(t, server); response.StatusCode != http.StatusForbidden {
			t.Errorf("%v: status %d", headers, response.StatusCode)
		}
	}
}

func TestTransportOfAnotherHubPanics(t *testing.T) {
	newHub := func() *push.Hub {
		hub := push.New(membroker.New(), push.Options{})
		t.Cleanup(func() { _ = hub.Shutdown(context.Background()) })
		return hub
	}
	hub, other := newHub(), newHub()
	for name, test := range map[string]struct {
		options transport.Options
		option  string // that the panic names; empty if there is none
	}{
		"none is given":             {},
		"both of this hub":          {options: transport.Options{WebSocket: ws.New(hub), SSE: sse.New(hub)}},
		"WebSockets of another hub": {transport.Options{WebSocket: ws.New(other), SSE: sse.New(hub)}, "Options.WebSocket"},
		"streams of another hub":    {transport.Options{SSE: sse.New(other)}, "Options.SSE"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				text, _ := recover().(string)
				if (text != "") != (test.option != "") || !strings.Contains(text, test.option) {
					t.Errorf("it panics with %q", text)
				}
			}()
			transport.Routes(hub, test.options)
		})
	}
}

func TestAuthorizePublish(t *testing.T) {
	_, server := routes(t, push.Options{}, transport.Options{AuthorizePublish: func(_ *http.Request, topic string) error {
		switch topic {
		case "mine":
			return nil
		case "full":
			return push.NewError("no_such_code", "a reason for clients", nil)
		default:
			return errors.New("a reason that stays here")
		}
	}})
	if response, body := (call{"POST", "publish?topic=mine", "hello", nil}).do(t, server); response.StatusCode != http.StatusOK {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	response, body := (call{"POST", "publish?topic=yours", "hello", nil}).do(t, server)
	if response.StatusCode != http.StatusForbidden || strings.Contains(body, "stays") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	response, body = (call{"POST", "publish?topic=full", "hello", nil}).do(t, server)
	if response.StatusCode != http.StatusForbidden || !strings.Contains(body, "a reason for clients") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestSendRoute(t *testing.T) {
	_, server := routes(t, push.Options{
		Identify: func(r *http.Request) (push.Identity, error) { return push.Identity{User: r.Header.Get("User")}, nil },
		Authorize: func(_ context.Context, a push.Access) error {
			if a.Topic == "secret" {
				return push.CodeForbidden
			}
			return nil
		},
		Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
			switch string(in.Data) {
			case "nothing":
				return push.Reply{}, nil
			case "panic":
				panic("in the application")
			case "fail":
				return push.Reply{}, push.NewError(push.CodeConflict, "taken", nil)
			}
			text := strings.Join([]string{in.Identity.User, in.Topic, in.Event, in.ID, string(in.Data)}, "|")
			return push.Reply{Data: []byte(text), Encoding: in.Encoding}, nil
		},
	}, transport.Options{})
	user := map[string]string{"User": "ann"}
	tests := []struct {
		name       string
		call       call
		wantStatus int
		wantBody   string
	}{
		{"text", call{"POST", "send?topic=a&event=e&id=i", "hello", user}, 200, `{"data":"ann|a|e|i|hello"}`},
		{"binary", call{"POST", "send?topic=a", "hi", map[string]string{"Content-Type": "image/png"}}, 200, `{"encoding":"base64","data":"fGF8fHxoaQ=="}`},
		{"no reply", call{"POST", "send?topic=a", "nothing", user}, 200, `{}`},
		{"empty", call{"POST", "send?topic=a", "", user}, 200, `{"data":"ann|a|||"}`},
		{"no topic", call{"POST", "send", "hello", user}, 400, `"reason":"topic is missing in the query"`},
		{"what only publish takes", call{"POST", "send?topic=a&key=k", "hello", user}, 400, `"reason":"the query has an unknown parameter; those that are known are topic, event, id"`},
		{"two events", call{"POST", "send?topic=a&event=x&event=y", "hello", user}, 400, `"reason":"event is given twice"`},
		{"error", call{"POST", "send?topic=a", "fail", user}, 409, `{"code":"conflict","reason":"taken","retry":"never"}`},
		{"panic", call{"POST", "send?topic=a", "panic", user}, 500, `{"code":"internal","reason":"internal error","retry":"later"}`},
		{"forbidden", call{"POST", "send?topic=secret", "hello", user}, 403, `"forbidden"`},
		{"foreign page", call{"POST", "send?topic=a", "hello", map[string]string{"Origin": "https://evil.example"}}, 403, ""},
		{"cookie and no origin", call{"POST", "send?topic=a", "hello", map[string]string{"Cookie": "a=b"}}, 403, ""},
		{"too large", call{"POST", "send?topic=a", strings.Repeat("x", 16<<10+1), user}, 413, `"reason":"a message from a client has at most 16384 bytes of data"`},
		{"far too large", call{"POST", "send?topic=a", strings.Repeat("x", 1<<20+1), user}, 413, `"reason":"a body has at most 1048576 bytes here"`},
		{"GET", call{"GET", "send?topic=a", "", user}, 405, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response, body := test.call.do(t, server)
			if response.StatusCode != test.wantStatus || !strings.Contains(body, test.wantBody) {
				t.Errorf("%d %s; want %d %s", response.StatusCode, body, test.wantStatus, test.wantBody)
			}
		})
	}
}

func TestClientIsServed(t *testing.T) {
	_, server := routes(t, push.Options{}, transport.Options{})
	for _, name := range jsclient.Names() {
		response, body := (call{"GET", name, "", nil}).do(t, server)
		if response.StatusCode != http.StatusOK || len(body) < 100 || response.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d, %d bytes, %v", name, response.StatusCode, len(body), response.Header)
		}
	}
	for _, name := range []string{"client.js", "client.mjs", "client.d.mts", "state.mjs", "state.d.mts"} {
		if !slices.Contains(jsclient.Names(), name) {
			t.Errorf("there is no %s", name)
		}
	}
	if response, _ := (call{"GET", "nothing", "", nil}).do(t, server); response.StatusCode != http.StatusNotFound {
		t.Errorf("unknown route: %d", response.StatusCode)
	}
}
