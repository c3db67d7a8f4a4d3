//go:build unix

package redistest_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// must gives what was started, and closes it with the test.
func must[T interface{ Close() error }](t *testing.T) func(T, error) T {
	return func(started T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := started.Close(); err != nil {
				t.Error(err)
			}
		})
		return started
	}
}

func client(t *testing.T, s *redistest.Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(s.Options())
	t.Cleanup(func() { c.Close() })
	return c
}

// await waits for a condition.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testaid.Eventually(t, what, condition)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestServerStopsRestartsAndKeepsWhatItIsToldTo(t *testing.T) {
	s := must[*redistest.Server](t)(redistest.Start(t.TempDir()))
	c := client(t, s)
	check(t, c.Set(t.Context(), "a", "1", 0).Err())
	addr := s.Addr()
	check(t, s.Stop(os.Kill))
	if s.Running() {
		t.Error("it runs after Stop")
	}
	check(t, s.Restart("--appendonly", "yes", "--appendfsync", "always"))
	if n := c.Exists(t.Context(), "a").Val(); n != 0 || s.Addr() != addr {
		t.Errorf("after a restart without its data: %d keys, at %s", n, s.Addr())
	}
	check(t, c.Set(t.Context(), "a", "2", 0).Err())
	check(t, s.Stop(syscall.SIGKILL))
	check(t, s.Restart())
	if got := c.Get(t.Context(), "a").Val(); got != "2" {
		t.Errorf("after a restart with its data: %q", got)
	}
}

func TestServerForgetsItsData(t *testing.T) {
	s := must[*redistest.Server](t)(redistest.Start(t.TempDir(), "--appendonly", "yes", "--appendfsync", "always"))
	c := client(t, s)
	check(t, c.Set(t.Context(), "a", "1", 0).Err())
	check(t, s.Save())
	if s.Forget() == nil {
		t.Error("a server that runs forgets its data")
	}
	check(t, s.Stop(os.Kill))
	check(t, s.Forget())
	check(t, s.Forget()) // there is nothing left
	check(t, s.Restart())
	if n := c.Exists(t.Context(), "a").Val(); n != 0 {
		t.Errorf("it comes back with %d keys", n)
	}
}

func TestCopyOfAServersDataComesBack(t *testing.T) {
	s := must[*redistest.Server](t)(redistest.Start(t.TempDir()))
	c := client(t, s)
	check(t, c.Set(t.Context(), "a", "1", 0).Err())
	check(t, s.Save())
	check(t, c.Set(t.Context(), "a", "2", 0).Err())
	check(t, c.Save(t.Context()).Err())
	if s.Recall() == nil {
		t.Error("the data of a server that runs was replaced")
	}
	check(t, s.Stop(os.Kill))
	check(t, s.Recall())
	check(t, s.Restart())
	if got := c.Get(t.Context(), "a").Val(); got != "1" {
		t.Errorf("after a restart from the copy: %q", got)
	}
}

func TestFrozenServerAnswersNothing(t *testing.T) {
	s := must[*redistest.Server](t)(redistest.Start(t.TempDir()))
	o := s.Options()
	o.ContextTimeoutEnabled, o.MaxRetries = true, -1
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	check(t, c.Ping(t.Context()).Err())
	check(t, s.Freeze())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Error("a frozen server answered")
	}
	check(t, s.Thaw())
	check(t, c.Ping(t.Context()).Err())
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	s, err := redistest.Start(t.TempDir(), "--appendfsync", "sometimes")
	if err == nil {
		s.Close()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "appendfsync") {
		t.Errorf("the error doesn't quote the log: %v", err)
	}
}

func TestReplicaFallsBehindAndIsPromoted(t *testing.T) {
	primary := must[*redistest.Server](t)(redistest.Start(t.TempDir()))
	replica := must[*redistest.Server](t)(redistest.StartReplica(t.TempDir(), primary))
	p, r := client(t, primary), client(t, replica)
	check(t, p.Set(t.Context(), "a", "1", 0).Err())
	check(t, replica.AwaitSync(primary))
	check(t, primary.CutReplicas())
	check(t, p.Set(t.Context(), "a", "2", 0).Err())
	if got := r.Get(t.Context(), "a").Val(); got != "1" {
		t.Errorf("a replica that is cut off has %q", got)
	}
	check(t, primary.MendReplicas())
	check(t, replica.AwaitSync(primary))
	if got := r.Get(t.Context(), "a").Val(); got != "2" {
		t.Errorf("a replica that has caught up has %q", got)
	}
	check(t, replica.Promote())
	check(t, r.Set(t.Context(), "a", "3", 0).Err())
}

func TestSentinelsPromoteAReplica(t *testing.T) {
	primary := must[*redistest.Server](t)(redistest.Start(t.TempDir()))
	replica := must[*redistest.Server](t)(redistest.StartReplica(t.TempDir(), primary))
	sentinels := must[*redistest.Sentinels](t)(redistest.StartSentinels(t.TempDir(), 3, primary, time.Second))
	if at := sentinels.Primary(); at != primary.Addr() {
		t.Errorf("the primary is %q, want %q", at, primary.Addr())
	}
	c := redis.NewFailoverClient(sentinels.Options())
	t.Cleanup(func() { c.Close() })
	check(t, c.Set(t.Context(), "a", "1", 0).Err())
	check(t, replica.AwaitSync(primary))
	check(t, primary.Stop(os.Kill))
	await(t, "another primary", func() bool { return sentinels.Primary() == replica.Addr() })
	await(t, "a client that follows", func() bool { return c.Set(t.Context(), "a", "2", 0).Err() == nil })
}

func TestClusterReplacesAnOwner(t *testing.T) {
	cluster := must[*redistest.Cluster](t)(redistest.StartCluster(t.TempDir(), 3, 1, time.Second))
	c := redis.NewClusterClient(cluster.Options())
	t.Cleanup(func() { c.Close() })
	for i := range 50 {
		check(t, c.Set(t.Context(), fmt.Sprint(i), i, 0).Err())
	}
	owner, replicas := cluster.Owner("a"), cluster.Replicas("a")
	if owner == nil || len(replicas) != 1 || replicas[0] == owner {
		t.Fatalf("owner %v, replicas %v", owner, replicas)
	}
	check(t, owner.Stop(os.Kill))
	await(t, "another owner", func() bool { return cluster.Owner("a") == replicas[0] })
	await(t, "a client that follows", func() bool {
		c.ReloadState(t.Context()) // a refused connection isn't a reason for the client to look by itself
		return c.Set(t.Context(), "a", "2", 0).Err() == nil
	})
}
