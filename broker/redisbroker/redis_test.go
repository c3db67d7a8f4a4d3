package redisbroker_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a real redis-server, a process of its own on a free port.
type server struct {
	t       testing.TB
	addr    string
	command *exec.Cmd
}

// startRedis starts a redis-server that ends with the test.
func startRedis(t testing.TB, arguments ...string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: listener.Addr().String()}
	listener.Close()
	s.start(arguments...)
	t.Cleanup(func() { s.stop(os.Kill) })
	return s
}

func (s *server) start(arguments ...string) {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	log := filepath.Join(dir, "log")
	s.command = exec.Command("redis-server", append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--logfile", log, "--enable-debug-command", "yes",
	}, arguments...)...)
	if err := s.command.Start(); err != nil {
		s.t.Fatalf("redis-server (Debian's package is of the same name): %v", err)
	}
	client := s.client()
	for deadline := time.Now().Add(10 * time.Second); client.Ping(context.Background()).Err() != nil; {
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log)
			s.t.Fatalf("redis-server doesn't answer: %s", text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stop ends the process and waits for it.
func (s *server) stop(signal os.Signal) {
	if s.command != nil {
		_ = s.command.Process.Signal(signal)
		_ = s.command.Wait() // it was asked to end
		s.command = nil
	}
}

// client is closed with the test.
func (s *server) client() *redis.Client {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	s.t.Cleanup(func() { client.Close() })
	return client
}

var prefixes atomic.Int64

// prefix is one that no other test has.
func prefix() string { return fmt.Sprintf("test%d:", prefixes.Add(1)) }
