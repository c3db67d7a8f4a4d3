package redisbroker_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// awaitHealth waits until the broker is well, or has this to say.
func awaitHealth(t *testing.T, b *redisbroker.Broker, want string) {
	t.Helper()
	testaid.Eventually(t, fmt.Sprintf("health of %q", want), func() bool {
		err := b.Health(t.Context())
		return err == nil && want == "" || err != nil && want != "" && strings.Contains(push.AsError(err).Reason, want)
	})
}

func TestHealthTellsTheTruth(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	b := newBroker(t, server.client(), redisbroker.Options{Check: 100 * time.Millisecond})
	awaitHealth(t, b, "")
	f := followFirst(t, b)
	awaitHealth(t, b, "")

	server.must(client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	awaitHealth(t, b, "memory is full")
	server.must(client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	awaitHealth(t, b, "")

	server.must(client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	awaitHealth(t, b, "can't be written to")
	server.must(client.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	awaitHealth(t, b, "")

	server.must(server.Freeze())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := b.Health(ctx); err == nil {
		t.Error("a frozen Redis is healthy")
	}
	server.must(server.Thaw())
	awaitHealth(t, b, "")

	server.must(server.Stop(os.Kill))
	awaitHealth(t, b, "can't be reached")
	server.must(server.Restart())
	awaitHealth(t, b, "")
	publish(t, b, "a", "2")
	f.wait("2")
}

// TestSilentConnectionIsReplaced has a connection that is alive and hears nothing.
func TestSilentConnectionIsReplaced(t *testing.T) {
	server := startRedis(t)
	b, silence, made := redisbroker.NewSilenced(server.client(), redisbroker.Options{Check: 100 * time.Millisecond})
	closeWithTest(t, b)
	f := followFirst(t, b)
	before := made()
	silence()
	testaid.Eventually(t, "a new connection", func() bool { return made() > before })
	awaitHealth(t, b, "")
	publish(t, b, "a", "2")
	f.wait("2")
}

func TestOldRedisIsTold(t *testing.T) {
	server := startRedis(t)
	b := redisbroker.NewOnOldRedis(server.client())
	closeWithTest(t, b)
	awaitHealth(t, b, "too old")
	if _, err := b.Publish(t.Context(), push.Message{Topic: "a"}); err == nil || !strings.Contains(err.Error(), "7.0 or newer") {
		t.Errorf("Publish: %v", err)
	}
}
