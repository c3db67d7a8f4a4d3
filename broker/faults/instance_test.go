package faults_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/client"
)

// states are the rules of the topics that are states, which all instances share.
var states = []push.TopicRule{{Pattern: "state/{name}", State: true}}

// instance is an application's instance in this process.
type instance struct {
	*push.Hub
	url string
}

func startInstance(t *testing.T, client redis.UniversalClient, o push.Options) *instance {
	t.Helper()
	o.Authorize, o.Logger = push.Anyone, quiet
	hub := push.New(redisbroker.New(client, redisbroker.Options{Topics: states, Logger: quiet}), o)
	server := httptest.NewServer(transport.Routes(hub))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return &instance{hub, server.URL}
}

// Host is where it listens.
func (i *instance) Host() string { return strings.TrimPrefix(i.url, "http://") }

// mirrorOf follows a state by the client library.
func mirrorOf(t *testing.T, i *instance, topic string) *client.State {
	t.Helper()
	return mirrorAt(t, i.url, topic)
}

func mirrorAt(t *testing.T, address, topic string) *client.State {
	t.Helper()
	c, err := client.New(address, client.Options{Transport: client.WebSocket, Logger: quiet})
	check(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	s, err := c.State(topic)
	check(t, err)
	return s
}

// stateDiffers says how a copy of the client library differs from what a broker has; "" if it doesn't.
func stateDiffers(s *client.State, entries []*push.Message) string {
	if !s.Complete() || s.Len() != len(entries) {
		return "it isn't whole"
	}
	for _, e := range entries {
		if v, ok := s.Get(e.Key); !ok || string(v.Data) != string(e.Data) {
			return e.Key + " is another"
		}
	}
	return ""
}
