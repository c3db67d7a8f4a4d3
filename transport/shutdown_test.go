package transport_test

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
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
