package redisbroker_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// TestPublishesFailFastWithoutRedis has more publishers than fit into the pipelines
// of the time that each has: a call takes a second to fail.
func TestPublishesFailFastWithoutRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := redis.NewClient(&redis.Options{
			Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1,
			Dialer: func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(500 * time.Millisecond)
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			},
		})
		defer client.Close()
		b := redisbroker.New(client)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var wait sync.WaitGroup
		for range 3000 {
			wait.Go(func() {
				if _, err := b.Publish(ctx, push.Message{Topic: "a", Data: []byte("x")}); !errors.Is(err, push.CodeUnavailable) {
					t.Errorf("Publish: %v", err)
				}
			})
		}
		wait.Wait()
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
