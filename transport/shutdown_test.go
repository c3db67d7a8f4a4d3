package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/transporttest"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// descriptors counts the open file descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestShutdownLeavesNothing connects a hundred clients over each transport. When
// Shutdown has returned, no goroutine of the hub is left, and no descriptor but
// those that the clients and net/http still have.
func TestShutdownLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	server := httptest.NewServer(r)
	open := descriptors(t)

	const each = 100
	ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience)
	defer cancel()
	var clients []*transporttest.Client
	for i := range each * len(ways) {
		way := ways[i%len(ways)]
		c, err := way.dial(ctx, server.URL+"/push/"+way.path, []string{"a", "b"}, "")
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	if _, err := hub.Publish(ctx, push.Message{Topic: "a", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	// A WebSocket's session opens after the handshake.
	testaid.Eventually(t, "all sessions", func() bool { return hub.Stats().Sessions == len(clients) })
	done := make(chan error, 1)
	go func() { done <- hub.Shutdown(ctx) }()
	for _, c := range clients {
		for {
			if _, err := c.Next(); err != nil {
				break
			}
		}
		c.Close()
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if stats := hub.Stats(); stats.Sessions != 0 || stats.Topics != 0 || stats.Closed[push.CodeDraining] != uint64(len(clients)) {
		t.Errorf("stats %+v", stats)
	}
	testaid.Eventually(t, "as few descriptors as before", func() bool { return descriptors(t) <= open })
	server.Close()
	goleak.VerifyNone(t, before)
}

// TestServerShutdownIsEnough has clients of all kinds. The Shutdown of their server is
// all that is called: it returns, and all are asked to come back.
func TestServerShutdownIsEnough(t *testing.T) {
	before := goleak.IgnoreCurrent()
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	server := httptest.NewUnstartedServer(transport.Routes(hub))
	server.EnableHTTP2 = true
	server.StartTLS()
	ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience)
	defer cancel()
	trust := server.Client().Transport.(*http.Transport).TLSClientConfig
	over1 := &http.Transport{TLSClientConfig: trust.Clone()}
	over2 := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	const each = 20
	var clients []*transporttest.Client
	for _, kind := range []struct {
		dial  transporttest.Dial
		route string
	}{
		{transporttest.SSEOver(over1), "/sse"}, {transporttest.SSEOver(over2), "/sse"}, {transporttest.WebSocketOver(over1), "/ws"},
	} {
		for range each {
			c, err := kind.dial(ctx, server.URL+kind.route, []string{"a"}, "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if f, err := c.Next(); err != nil || f.Type != protocol.TypeWelcome {
				t.Fatalf("first came %+v, %v", f, err)
			}
			clients = append(clients, c)
		}
	}
	done := make(chan error, 1)
	go func() { done <- server.Config.Shutdown(ctx) }()
	for _, c := range clients {
		if f, err := c.Next(); err != nil || f.Type != protocol.TypeReconnect {
			t.Errorf("last came %+v, %v", f, err)
		}
		if f, err := c.Next(); err == nil {
			t.Errorf("after the farewell came %+v", f)
		}
		c.Close()
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown of the server: %v", err)
	}
	if err := hub.Shutdown(ctx); err != nil { // for the last of the connections that the server doesn't know
		t.Errorf("Shutdown of the hub: %v", err)
	}
	if stats := hub.Stats(); stats.Sessions != 0 || stats.Closed[push.CodeDraining] != uint64(len(clients)) {
		t.Errorf("stats %+v", stats)
	}
	server.Close()
	goleak.VerifyNone(t, before)
}

// TestServerKnowsEachHubOnce, however many clients come, and keeps none in memory.
func TestServerKnowsEachHubOnce(t *testing.T) {
	hubs := []*push.Hub{
		push.New(membroker.New(), push.Options{Authorize: push.Anyone}), push.New(membroker.New(), push.Options{Authorize: push.Anyone}),
	}
	r := chi.NewRouter()
	r.Mount("/0", transport.Routes(hubs[0]))
	r.Mount("/1", transport.Routes(hubs[1]))
	first, second := httptest.NewServer(r), httptest.NewServer(r)
	onShutdown := func(server *httptest.Server) int {
		return reflect.ValueOf(server.Config).Elem().FieldByName("onShutdown").Len()
	}
	for _, server := range []*httptest.Server{first, second} {
		response, err := server.Client().Get(server.URL) // it serves: it has registered what is its own
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		before := onShutdown(server)
		for i := range 10 {
			c, err := transporttest.DialSSE(t.Context(), fmt.Sprint(server.URL, "/", i%2, "/sse"), []string{"a"}, "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		if n := onShutdown(server) - before; n != len(hubs) {
			t.Errorf("the server calls %d functions", n)
		}
	}
	if err := first.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, hub := range hubs { // twice, by the server and here
		if err := hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	first.Close()
	second.Close()

	collected := make(chan struct{})
	runtime.AddCleanup(hubs[0], func(gone chan struct{}) { close(gone) }, collected)
	hubs, r = nil, nil //nolint:ineffassign,wastedassign // nothing may hold them
	first.Config.Handler, second.Config.Handler = nil, nil
	for {
		select {
		case <-collected:
			runtime.KeepAlive(first)
			return
		case <-t.Context().Done():
		default:
			runtime.GC()
		}
	}
}
