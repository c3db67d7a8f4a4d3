package redisbroker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func startCluster(t *testing.T, owners int) *redistest.Cluster {
	t.Helper()
	cluster, err := redistest.StartCluster(t.TempDir(), owners, 0, 5*time.Second)
	must(t, err)
	t.Cleanup(func() { cluster.Close() })
	return cluster
}

// onClient makes a broker that never looks by itself for what it has missed.
func onClient(t *testing.T, client redis.UniversalClient) *Broker {
	t.Helper()
	t.Cleanup(func() { client.Close() })
	return brokerOn(t, client, Options{Check: time.Hour})
}

// TestClientsOfDifferentKindsHearEachOther has both kinds of clients on a Cluster of one
// node. What they send is heard, not found.
func TestClientsOfDifferentKindsHearEachOther(t *testing.T) {
	cluster := startCluster(t, 1)
	plain := onClient(t, redis.NewClient(cluster.Nodes[0].Options()))
	clustered := onClient(t, redis.NewClusterClient(cluster.Options()))
	for _, pair := range [][2]*Broker{{plain, clustered}, {clustered, plain}, {plain, plain}} {
		for _, topic := range []string{"a", "b", "c"} { // of several slots
			r := &signal{at: make(chan uint64, 10)}
			_, err := pair[1].Subscribe(t.Context(), topic, r)
			must(t, err)
			want := add(t, pair[0], topic, "x").Offset
			select {
			case got := <-r.at:
				if got != want {
					t.Errorf("%s: %d came instead of %d", topic, got, want)
				}
			case <-time.After(testaid.Patience): //clock:real it ends a broken test
				t.Fatalf("%s: nothing came", topic)
			}
			pair[1].Unsubscribe(topic, r)
		}
		must(t, pair[0].Health(t.Context()))
	}
}

// TestWrongKindOfClientIsTold has clients that can't work with their Redis. Nobody waits
// for what waiting doesn't change.
func TestWrongKindOfClientIsTold(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 3)
	single, _ := startServer(t)
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": single.Addr()}})
	tests := []struct {
		name   string
		client redis.UniversalClient
		want   string
	}{
		{"a single node's on a Cluster", redis.NewClient(cluster.Nodes[0].Options()), "use a redis.ClusterClient"},
		{"a Cluster's on a single node", redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{single.Addr()}}), "use a redis.Client"},
		{"a Ring", ring, "use a Cluster"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := onClient(t, test.client)
			// Of topics with three different slots one at least is elsewhere.
			wantLasting(t, b, []string{"a", "b", "c"}, test.want)
		})
	}
}

// wantLasting fails unless every way to use one of the topics reports at once what is
// wrong.
func wantLasting(t *testing.T, b *Broker, topics []string, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reported := map[string]bool{}
	for _, topic := range topics {
		_, publishing := b.Publish(ctx, push.Message{Topic: topic})
		r := &recorder{}
		_, subscribing := b.Subscribe(ctx, topic, r)
		if subscribing == nil {
			b.Unsubscribe(topic, r)
		}
		_, reading := b.Since(ctx, topic, at(1, 1), broker.Limit{})
		for way, err := range map[string]error{"Publish": publishing, "Subscribe": subscribing, "Since": reading} {
			switch {
			case err == nil:
			case strings.Contains(push.AsError(err).Reason, want):
				reported[way] = true
			default:
				t.Errorf("%s: %v, want %q", way, err, want)
			}
		}
	}
	if len(reported) != 3 {
		t.Errorf("only %v have reported it", reported)
	}
	if err := b.Health(ctx); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("health: %v", err)
	}
}

// TestSubscribeDoesNotWaitForWhatLasts has a Redis that doesn't admit the broker, or is
// too old for it.
func TestSubscribeDoesNotWaitForWhatLasts(t *testing.T) {
	t.Parallel()
	server, admin := startServer(t)
	user := func(name string, rules ...any) *redis.Client {
		must(t, admin.Do(t.Context(), append([]any{"ACL", "SETUSER", name, "on", ">right", "~*", "&*", "+@all"}, rules...)...).Err())
		o := server.Options()
		o.Username, o.Password = name, "right"
		return redis.NewClient(o)
	}
	wrong := server.Options()
	wrong.Username, wrong.Password = "nobody", "wrong"
	locked, owner := startServer(t)
	must(t, owner.ConfigSet(t.Context(), "requirepass", "right").Err())
	tests := []struct {
		name   string
		client redis.UniversalClient
		want   string
	}{
		{"wrong password", redis.NewClient(wrong), "password is refused"},
		{"no password", redis.NewClient(locked.Options()), "has no password"},
		{"no scripts", user("scriptless", "-evalsha", "-eval"), "may not do what it must"},
		{"no commands in scripts", user("headless", "-hmget"), "may not do what it must"},
		{"no keys", user("keyless", "resetkeys"), "may not do what it must"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantLasting(t, onClient(t, test.client), []string{"a"}, test.want)
		})
	}
	for name, client := range map[string]*redis.Client{
		"no channels": user("deaf", "resetchannels"), "no subscriptions": user("silent", "-ssubscribe"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := onClient(t, client)
			_, err := b.Subscribe(t.Context(), "a", &recorder{})
			if !strings.Contains(push.AsError(err).Error(), "may not do what it must") {
				t.Errorf("Subscribe: %v", err)
			}
			healthSays(t, b, "may not do what it must")
		})
	}
	t.Run("too old", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(server.Options())
		t.Cleanup(func() { client.Close() })
		b := NewOnOldRedis(client)
		t.Cleanup(func() { must(t, b.Close(context.Background())) })
		wantLasting(t, b, []string{"a"}, "too old")
	})
}
