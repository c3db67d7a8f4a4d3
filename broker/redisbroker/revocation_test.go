package redisbroker_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// instance is one of several on a Redis. Its clients say in the path who they are.
type instance struct {
	t    *testing.T
	hub  *push.Hub
	base string
}

func newInstance(t *testing.T, broker push.Broker, options push.Options, routes transport.Options) *instance {
	t.Helper()
	if options.Identify == nil {
		options.Identify = func(r *http.Request) (push.Identity, error) {
			return push.Identity{User: strings.Split(r.URL.Path, "/")[1]}, nil
		}
	}
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	options.Logger = slog.New(slog.DiscardHandler)
	options.Limits = push.Limits{Failures: push.Rate{PerSecond: -1}, Sends: push.Rate{PerSecond: -1}}
	hub := push.New(broker, options)
	r := chi.NewRouter()
	r.Mount("/{user}/push", transport.Routes(hub, routes))
	site := httptest.NewServer(r)
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		site.Close()
	})
	return &instance{t, hub, site.URL}
}

func (in *instance) url(user, path string) string { return in.base + "/" + user + "/push/" + path }

// ways are the transports, in each way of using them.
var ways = []struct {
	name, path string
	dial       transporttest.Dial
}{
	{"WebSocket", "ws", transporttest.DialSubprotocol},
	{"WebSocket without subprotocol", "ws", transporttest.DialWebSocket},
	{"event stream", "sse", transporttest.DialSSE},
	{"event stream by Last-Event-ID", "sse", transporttest.DialLastEventID},
	{"event stream by POST", "sse", transporttest.DialSSEByPost},
}

// connect opens a client that is welcomed.
func connect(t *testing.T, dial transporttest.Dial, address string, topics []string, since string) *transporttest.Client {
	t.Helper()
	c, f, err := tryConnect(t, dial, address, topics, since)
	if err != nil || f.Type != protocol.TypeWelcome {
		t.Fatalf("%s: %+v, %v", address, f, err)
	}
	return c
}

func tryConnect(t *testing.T, dial transporttest.Dial, address string, topics []string, since string) (*transporttest.Client, transporttest.Frame, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	c, err := dial(ctx, address, topics, since)
	if err != nil {
		return nil, transporttest.Frame{}, err
	}
	t.Cleanup(c.Close)
	f, err := c.Next()
	return c, f, err
}

// wantRefused fails unless a client is refused with a code: by the status of its
// request, or by an error frame.
func wantRefused(t *testing.T, dial transporttest.Dial, address string, topics []string, since string, code push.Code) {
	t.Helper()
	_, f, err := tryConnect(t, dial, address, topics, since)
	status, ok := errors.AsType[*transporttest.StatusError](err)
	if ok && status.Status == code.HTTPStatus() && strings.Contains(status.Body, string(code)) || err == nil && f.Code == string(code) {
		return
	}
	for _, topic := range f.Topics {
		if topic.Error == nil || topic.Error.Code != string(code) {
			ok = false
			break
		}
		ok = true
	}
	if err != nil || !ok {
		t.Errorf("%s: %+v, %v; want %s", address, f, err, code)
	}
}

// wantEnd fails unless a client gets one last frame and then the end. Messages may come
// first: those from before, and those that were there sooner than what hubs tell each
// other.
func wantEnd(t *testing.T, what string, c *transporttest.Client, frame, code string) {
	t.Helper()
	f, err := c.Next()
	for err == nil && f.Type == protocol.TypeMessage {
		f, err = c.Next()
	}
	if err != nil || f.Type != frame || f.Code != code {
		t.Errorf("%s: got %+v, %v; want %s %s", what, f, err, frame, code)
	}
	if f, err := c.Next(); err == nil {
		t.Errorf("%s: after the end came %+v", what, f)
	}
}

// TestRevocationHoldsOnEveryInstance has clients on one instance and revokes on
// another: nothing is delivered afterwards, and nobody comes back, whichever instance
// they try, be it one that starts later.
func TestRevocationHoldsOnEveryInstance(t *testing.T) {
	server := startRedis(t)
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			o := redisbroker.Options{Prefix: prefix()}
			start := func() *instance {
				return newInstance(t, redisbroker.New(server.client(), o), push.Options{}, transport.Options{})
			}
			here, there := start(), start()
			topics := []string{"a", "b"}
			clients := map[string]*transporttest.Client{}
			for _, user := range []string{"eve", "bob", "ann", "joe"} {
				clients[user] = connect(t, way.dial, here.url(user, way.path), topics, "")
			}
			one, _, err := tryConnect(t, way.dial, here.url("eve", way.path), topics, "")
			if err != nil {
				t.Fatal(err)
			}
			publish(t, there.hub, "a", "before")
			for _, c := range clients {
				if f, err := c.Next(); err != nil || f.Data != "before" {
					t.Fatalf("%+v, %v", f, err)
				}
			}
			for _, r := range []push.Revocation{{User: "eve"}, {User: "ann", Topic: "a"}} {
				if err := there.hub.Revoke(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			publish(t, there.hub, "a", "after")
			wantEnd(t, "eve", clients["eve"], "error", "forbidden")
			wantEnd(t, "eve once more", one, "error", "forbidden")
			wantEnd(t, "ann", clients["ann"], "reconnect", "")
			for _, user := range []string{"bob", "joe"} {
				if f, err := clients[user].Next(); err != nil || f.Data != "after" {
					t.Errorf("%s: %+v, %v", user, f, err)
				}
			}
			for _, in := range []*instance{here, there, start()} {
				wantRefused(t, way.dial, in.url("eve", way.path), topics, clients["eve"].Cursor, push.CodeForbidden)
				wantRefused(t, way.dial, in.url("ann", way.path), topics[:1], clients["ann"].Cursor, push.CodeForbidden)
			}
			publish(t, there.hub, "b", "for ann")
			again := connect(t, way.dial, there.url("ann", way.path), topics, clients["ann"].Cursor)
			if f, err := again.Next(); err != nil || f.Data != "for ann" {
				t.Errorf("ann comes back for the other topic and gets %+v, %v", f, err)
			}
			if err := there.hub.Restore(t.Context(), push.Revocation{User: "eve"}); err != nil {
				t.Fatal(err)
			}
			connect(t, way.dial, start().url("eve", way.path), topics, clients["eve"].Cursor)
			if err := there.hub.Revoke(t.Context(), push.Revocation{Topic: "a"}); err != nil {
				t.Fatal(err)
			}
			wantEnd(t, "bob", clients["bob"], "reconnect", "")
		})
	}
}

// TestRevokedSessionEndsElsewhere names a session of another instance.
func TestRevokedSessionEndsElsewhere(t *testing.T) {
	server := startRedis(t)
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			o := redisbroker.Options{Prefix: prefix()}
			here := newInstance(t, redisbroker.New(server.client(), o), push.Options{}, transport.Options{})
			there := newInstance(t, redisbroker.New(server.client(), o), push.Options{}, transport.Options{})
			other := connect(t, way.dial, here.url("eve", way.path), []string{"a"}, "")
			c, welcome, err := tryConnect(t, way.dial, here.url("eve", way.path), []string{"a"}, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := there.hub.Revoke(t.Context(), push.Revocation{Session: welcome.Session}); err != nil {
				t.Fatal(err)
			}
			wantEnd(t, "the session", c, "error", "forbidden")
			publish(t, there.hub, "a", "1")
			if f, err := other.Next(); err != nil || f.Data != "1" {
				t.Errorf("another session: %+v, %v", f, err)
			}
			connect(t, way.dial, here.url("eve", way.path), []string{"a"}, c.Cursor)
		})
	}
}

// TestLostRevocationIsFound has Redis lose the message that tells an instance of a
// revocation.
func TestLostRevocationIsFound(t *testing.T) {
	server := startRedis(t)
	o := redisbroker.Options{Prefix: prefix()}
	lossy, lose := redisbroker.NewLossy(server.client(), o)
	here := newInstance(t, lossy, push.Options{}, transport.Options{})
	there := newInstance(t, redisbroker.New(server.client(), o), push.Options{}, transport.Options{})
	c := connect(t, transporttest.DialSubprotocol, here.url("eve", "ws"), []string{"a"}, "")
	lose.Store(1)
	if err := there.hub.Revoke(t.Context(), push.Revocation{User: "eve"}); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, "eve", c, "error", "forbidden")
	if left := lose.Load(); left >= 1 {
		t.Error("nothing was lost")
	}
}

// TestRevocationSurvivesAFlush has Redis lose all its data: who knows of a revocation
// stores it again, for those who come later.
func TestRevocationSurvivesAFlush(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	o := redisbroker.Options{Prefix: prefix()}
	here := newInstance(t, redisbroker.New(client, o), push.Options{}, transport.Options{})
	if err := here.hub.Revoke(t.Context(), push.Revocation{User: "eve"}); err != nil {
		t.Fatal(err)
	}
	server.must(client.FlushAll(t.Context()).Err())
	other := redisbroker.New(client, redisbroker.Options{Prefix: o.Prefix})
	closeWithTest(t, other)
	testaid.Eventually(t, "storing it again", func() bool {
		stored, err := other.All(t.Context(), "revocations")
		return err == nil && len(stored) == 1
	})
	late := newInstance(t, redisbroker.New(client, o), push.Options{}, transport.Options{})
	wantRefused(t, transporttest.DialSubprotocol, late.url("eve", "ws"), []string{"a"}, "", push.CodeForbidden)
}
