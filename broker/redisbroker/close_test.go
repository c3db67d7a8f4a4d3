package redisbroker

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redistest"
)

// TestCloseHeedsItsContext has a Redis that is frozen while a subscriber connects to it. That
// nothing is left in the end is seen by TestMain.
func TestCloseHeedsItsContext(t *testing.T) {
	server, err := redistest.Start(t.TempDir())
	must(t, err)
	t.Cleanup(func() { server.Close() })
	client := redis.NewClient(server.Options())
	t.Cleanup(func() { client.Close() })
	b := New(client)
	must(t, server.Freeze())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Subscribe(ctx, "a", &recorder{}); err == nil {
		t.Error("a frozen Redis was subscribed to")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); err == nil {
		t.Error("Close says that nothing is left")
	}
	must(t, server.Thaw())
}
