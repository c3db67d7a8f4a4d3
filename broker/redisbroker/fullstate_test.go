package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

func wantFull(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, push.CodeUnavailable) || push.AsError(err).Reason != "the broker's memory is full" {
		t.Errorf("%s in a full Redis: %v", what, err)
	}
}

// TestFullRedisFreesAndRenews has a Redis that takes nothing new, alone and as a Cluster: what
// makes a map smaller or keeps its keys alive is done all the same, and delivered.
func TestFullRedisFreesAndRenews(t *testing.T) {
	_, single := startServer(t)
	cluster := startCluster(t, 3)
	clustered := redis.NewClusterClient(cluster.Options())
	t.Cleanup(func() { clustered.Close() })
	for name, client := range map[string]redis.UniversalClient{"one Redis": single, "a Cluster": clustered} {
		t.Run(name, func(t *testing.T) {
			b := brokerOn(t, client, Options{Topics: stateRules, Check: 100 * time.Millisecond})
			setMaxMemory := func(n string) {
				t.Helper()
				set := func(ctx context.Context, node *redis.Client) error { return node.ConfigSet(ctx, "maxmemory", n).Err() }
				if c, ok := client.(*redis.ClusterClient); ok {
					must(t, c.ForEachMaster(t.Context(), set))
					return
				}
				must(t, set(t.Context(), client.(*redis.Client)))
			}
			c := make(changes, 100)
			_, err := b.Subscribe(t.Context(), "state/a", c)
			must(t, err)
			for key, ttl := range map[string]time.Duration{"k": 0, "lease": time.Hour, "member": time.Hour, "timed": time.Hour} {
				setKey(t, b, "state/a", key, ttl)
				c.want(t, "set "+key+" x")
			}
			add(t, b, "log", "1")
			setMaxMemory("1")

			for _, m := range []push.Message{
				{Op: broker.OpSet, Key: "new"}, {Op: broker.OpSet, Key: "k"}, {Op: broker.OpAppend, Key: "k", Data: []byte("y")},
				{Op: broker.OpSet, Key: "k", ID: "i"},
			} {
				m.Topic = "state/a"
				_, err := b.Publish(t.Context(), m)
				wantFull(t, m.Op.String(), err)
			}
			_, err = b.Publish(t.Context(), push.Message{Topic: "log", Data: []byte("2")})
			wantFull(t, "publish", err)

			version := func(key string) broker.Version {
				for _, m := range stateOf(t, b, "state/a").Messages {
					if m.Key == key {
						return m.Version()
					}
				}
				return broker.Version{}
			}
			_, err = b.Touch(t.Context(), push.Message{Topic: "state/a", Key: "lease", TTL: 10 * time.Hour, IfVersion: version("lease")})
			must(t, err)
			_, err = b.Touch(t.Context(), push.Message{Topic: "state/a", Key: "timed", TTL: time.Millisecond})
			must(t, err)
			c.want(t, "delete timed ")
			gone, err := b.Renew(t.Context(), "state/a", []string{"member", "timed"}, 10*time.Hour)
			if err != nil || fmt.Sprint(gone) != "[timed]" {
				t.Errorf("renewed but for %v, %v", gone, err)
			}
			deadlines := newServer(nil, b.options).stateKeys("state/a")[3]
			for _, key := range []string{"lease", "member"} {
				left := time.Until(time.UnixMilli(int64(client.ZScore(t.Context(), deadlines, key).Val()))) //clock:real the server's
				if left < 5*time.Hour {
					t.Errorf("%s stays for %v", key, left)
				}
			}
			_, err = b.Delete(t.Context(), push.Message{Topic: "state/a", Key: "k", IfVersion: broker.Version{Epoch: 1, Offset: 1}})
			if !errors.Is(err, push.CodeConflict) {
				t.Errorf("Delete of another version: %v", err)
			}
			for _, key := range []string{"k", "lease", "member"} {
				first, err := b.Delete(t.Context(), push.Message{Topic: "state/a", Key: key, ID: "of-" + key})
				must(t, err)
				c.want(t, "delete "+key+" ")
				again, err := b.Delete(t.Context(), push.Message{Topic: "state/a", Key: key, ID: "of-" + key})
				if err != nil || !again.Duplicate || again.Position != first.Position {
					t.Errorf("repeated: %+v after %+v, %v", again, first, err)
				}
			}
			if page := stateOf(t, b, "state/a"); len(page.Messages) != 0 {
				t.Errorf("left: %+v", page.Messages)
			}
			setMaxMemory("0")
			setKey(t, b, "state/a", "k", 0)
			c.want(t, "set k x")
		})
	}
}

// TestFullMapIsEmptied fills a Redis that may use so much memory with a state: when its keys are
// deleted there is room again.
func TestFullMapIsEmptied(t *testing.T) {
	b, client := scripted(t, Options{Topics: []push.TopicRule{{Pattern: "state/{x}", State: true, History: broker.History{Messages: 10}}}})
	setKey(t, b, "state/a", "first", 0) // the scripts are there
	_, err := b.Delete(t.Context(), push.Message{Topic: "state/a", Key: "first"})
	must(t, err)
	var used int
	_, err = fmt.Sscan(client.InfoMap(t.Context(), "memory").Item("Memory", "used_memory"), &used)
	must(t, err)
	maxMemory := func(n int) { must(t, client.ConfigSet(t.Context(), "maxmemory", fmt.Sprint(n)).Err()) }
	maxMemory(used + 2<<20)
	fill := func() (keys []string) {
		for i := range 200 {
			m := push.Message{Topic: "state/a", Key: fmt.Sprint(i), Data: []byte(strings.Repeat("x", 20_000))}
			if _, err := b.Set(t.Context(), m); err != nil {
				wantFull(t, "set", err)
				return keys
			}
			keys = append(keys, m.Key)
		}
		t.Fatal("Redis isn't full")
		return nil
	}
	keys := fill()
	maxMemory(1) // for what is small, too
	for _, key := range keys {
		_, err := b.Delete(t.Context(), push.Message{Topic: "state/a", Key: key})
		must(t, err)
	}
	maxMemory(used + 2<<20)
	if page := stateOf(t, b, "state/a"); len(page.Messages) != 0 {
		t.Errorf("%d keys are left", len(page.Messages))
	}
	if again := fill(); len(again) < len(keys)/2 {
		t.Errorf("room for %d keys, and there was for %d", len(again), len(keys))
	}
}
