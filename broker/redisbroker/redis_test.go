package redisbroker_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// server is a real redis-server.
type server struct {
	*redistest.Server
	t testing.TB
}

// startRedis starts a redis-server that ends with the test.
func startRedis(t testing.TB, arguments ...string) *server {
	t.Helper()
	s, err := redistest.Start(t.TempDir(), arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &server{s, t}
}

// client is closed with the test.
func (s *server) client() *redis.Client {
	s.t.Helper()
	client := redis.NewClient(s.Options())
	s.t.Cleanup(func() { client.Close() })
	return client
}

// must ends the test at an error.
func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

var prefixes atomic.Int64

// prefix is one that no other test has.
func prefix() string { return fmt.Sprintf("test%d:", prefixes.Add(1)) }
