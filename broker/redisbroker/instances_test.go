package redisbroker_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// TestClientsMoveBetweenInstances has two instances, each with its own broker, and
// a service that only publishes. A client that changes the instance and the
// transport at each step gets every message once.
func TestClientsMoveBetweenInstances(t *testing.T) {
	server := startRedis(t)
	var instances []string
	for range 2 {
		hub := push.New(redisbroker.New(server.client()), push.Options{Authorize: push.Anyone})
		r := chi.NewRouter()
		r.Mount("/push", transport.Routes(hub))
		site := httptest.NewServer(r)
		instances = append(instances, site.URL+"/push/")
		t.Cleanup(func() {
			if err := hub.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			site.Close()
		})
	}
	publisher := newBroker(t, server.client(), redisbroker.Options{})
	ways := []struct {
		path string
		dial transporttest.Dial
	}{{"ws", transporttest.DialSubprotocol}, {"sse", transporttest.DialLastEventID}, {"ws", transporttest.DialWebSocket}}
	cursor, published, got := "", 0, 0
	for step := range 12 {
		way := ways[step%len(ways)]
		c, err := way.dial(t.Context(), instances[step%2]+way.path, []string{"a", "b"}, cursor)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := c.Next(); err != nil || f.Type != protocol.TypeWelcome {
			t.Fatalf("step %d: %+v, %v", step, f, err)
		}
		for range 2 {
			publish(t, publisher, "a", fmt.Sprint(published))
			published++
		}
		for ; got < published; got++ {
			if f, err := c.Next(); err != nil || string(f.Data) != fmt.Sprint(got) {
				t.Fatalf("step %d: got %+v, %v; want %d", step, f, err, got)
			}
		}
		cursor = c.Cursor
		c.Close()
		publish(t, publisher, "a", fmt.Sprint(published))
		published++
	}
}
