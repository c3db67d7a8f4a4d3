package client

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

// transports are both, for tests that hold for each.
var transports = []Transport{WebSocket, EventStream}

func eachTransport(t *testing.T, test func(*testing.T, Transport)) {
	for _, way := range transports {
		t.Run(way.String(), func(t *testing.T) { test(t, way) })
	}
}

// shared is a broker that outlives the hubs that use it.
type shared struct{ *membroker.Broker }

func (shared) Close(context.Context) error { return nil }

// instance is a hub behind a server.
type instance struct {
	t      *testing.T
	hub    *push.Hub
	server *httptest.Server
}

const testKey = "secret"

// serve starts an instance, at an address if that isn't empty.
func serve(t *testing.T, address string, options push.Options, wrap func(http.Handler) http.Handler) *instance {
	t.Helper()
	return serveOn(t, membroker.New(), address, options, wrap)
}

func serveOn(t *testing.T, b push.Broker, address string, options push.Options, wrap func(http.Handler) http.Handler) *instance {
	t.Helper()
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	options.BrokerTimeout = time.Minute // however slow the machine is
	options.Logger = slog.New(slog.DiscardHandler)
	i := &instance{t: t, hub: push.New(b, options)}
	mux := http.NewServeMux()
	mux.Handle("/push/", transport.Routes(i.hub, transport.Options{PublishKey: testKey}))
	var handler http.Handler = mux
	if wrap != nil {
		handler = wrap(mux)
	}
	i.server = httptest.NewUnstartedServer(handler)
	i.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = i.server.Listener.Close()
		i.server.Listener = listener
	}
	i.server.Start()
	t.Cleanup(i.shutDown)
	return i
}

// shutDown ends an instance as its operator does; more than once does no harm.
func (i *instance) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
	defer cancel()
	if err := i.hub.Shutdown(ctx); err != nil {
		i.t.Errorf("Shutdown: %v", err)
	}
	i.server.Close()
}

func (i *instance) url() string { return i.server.URL + "/push" }

func (i *instance) address() string { return i.server.Listener.Addr().String() }

func (i *instance) publish(topic string, texts ...string) {
	i.t.Helper()
	for _, text := range texts {
		if _, err := i.hub.Publish(context.Background(), push.Message{Topic: topic, Data: []byte(text)}); err != nil {
			i.t.Fatal(err)
		}
	}
}

// connect returns a client that is closed with the test, and waits little before it
// comes back.
func connect(t *testing.T, url string, o Options) *Client {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = time.Millisecond, 20*time.Millisecond
	}
	c, err := New(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(patience(t)); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// patience is a context that ends tests that hang.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
	t.Cleanup(cancel)
	return ctx
}

// follow subscribes, and waits until the server has confirmed it.
func follow(t *testing.T, c *Client, topic string, options ...SubscribeOptions) *Subscription {
	t.Helper()
	s, err := c.Subscribe(topic, options...)
	if err == nil {
		err = s.Ready(patience(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func next(t *testing.T, s *Subscription) Event {
	t.Helper()
	e, err := s.Next(patience(t))
	if err != nil {
		t.Fatalf("%s: %v", s.Topic(), err)
	}
	return e
}

// expect takes messages, which have to be these.
func expect(t *testing.T, s *Subscription, texts ...string) {
	t.Helper()
	for _, want := range texts {
		e := next(t, s)
		if e.Message == nil || string(e.Message.Data) != want {
			t.Fatalf("%s: got %s, want %q", s.Topic(), describe(e), want)
		}
	}
}

func describe(e Event) string {
	switch {
	case e.Message != nil:
		return fmt.Sprintf("%q", e.Message.Data)
	case e.Gap != nil:
		return fmt.Sprintf("%+v", *e.Gap)
	default:
		return fmt.Sprintf("%v", e.Refused)
	}
}

// counting counts the requests to a route.
func counting(n *atomic.Int64, path string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				n.Add(1)
			}
			next.ServeHTTP(w, r)
		})
	}
}
