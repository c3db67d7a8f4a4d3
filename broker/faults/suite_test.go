package faults_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// suite runs what every broker must pass, on a client. The administrator's client counts keys and cuts connections. A server
// that isn't nil is restarted.
func suite(t *testing.T, client, admin redis.UniversalClient, server *redistest.Server) {
	t.Helper()
	onEach := func(t testing.TB, do func(ctx context.Context, node *redis.Client) error) {
		t.Helper()
		switch admin := admin.(type) {
		case *redis.ClusterClient:
			check(t, admin.ForEachMaster(t.Context(), do))
		case *redis.Client:
			check(t, do(t.Context(), admin))
		}
	}
	newBackend := func(_ testing.TB, o brokertest.Options) brokertest.Backend {
		prefix := prefix()
		b := brokertest.Backend{
			Instance: func(testing.TB) push.Broker {
				return redisbroker.New(client, redisbroker.Options{
					Prefix: prefix, History: o.History, Topics: o.Topics, MaxMessage: o.MaxMessage, Retry: o.Retry, Logger: quiet,
				})
			},
			Cost: func(t testing.TB) map[string]int {
				t.Helper()
				var keys atomic.Int64
				onEach(t, func(ctx context.Context, node *redis.Client) error {
					names, err := node.Keys(ctx, prefix+"*").Result()
					keys.Add(int64(len(names)))
					return err
				})
				return map[string]int{"keys": int(keys.Load())}
			},
			Cut: func(t testing.TB, _ push.Broker) {
				t.Helper()
				testaid.Eventually(t, "a connection to cut", func() bool {
					var killed atomic.Int64
					onEach(t, func(ctx context.Context, node *redis.Client) error {
						n, err := node.ClientKillByFilter(ctx, "TYPE", "pubsub").Result()
						killed.Add(n)
						return err
					})
					return killed.Load() > 0
				})
			},
			Erase: func(t testing.TB) {
				t.Helper()
				onEach(t, func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() })
			},
			Lacks: map[brokertest.Capability]string{
				brokertest.Lose: "a real Redis loses connections and no single messages; the tests of package redisbroker lose those",
				brokertest.Fork: "a failover that loses messages has its own tests",
			},
		}
		if server == nil {
			b.Lacks[brokertest.Restart] = "a node that stops causes a failover, which has its own tests"
			return b
		}
		b.Restart = func(t testing.TB) {
			t.Helper()
			check(t, errors.Join(server.Save(), server.Stop(os.Kill), server.Restart()))
		}
		b.Erase = func(t testing.TB) {
			t.Helper()
			check(t, errors.Join(server.Stop(os.Kill), server.Forget(), server.Restart()))
		}
		return b
	}
	brokertest.Run(t, newBackend)
	brokertest.RunStore(t, newBackend)
}

func TestBrokerOnSentinel(t *testing.T) {
	t.Parallel()
	_, _, sentinels := startSentinels(t, calm)
	client := closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil)
	suite(t, client, client, nil)
}

func TestBrokerOnCluster(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, calmCluster...)
	client := closing[*redis.ClusterClient](t)(redis.NewClusterClient(cluster.Options()), nil)
	suite(t, client, client, nil)
}

func TestBrokerOverTLS(t *testing.T) {
	t.Parallel()
	c := newAuthority(t)
	server := closing[*redistest.Server](t)(redistest.StartTLS(t.TempDir(), c.client(), c.serve(t)...))
	client := connect(t, server)
	suite(t, client, client, server)
}

// limitedUser is the smallest user that the broker can be; the commands of the second line are needed on a Cluster only.
var limitedUser = strings.Fields(`ACL SETUSER tidewire on >` + password + ` ~tidewire:* &tidewire:* -@all
	+cluster|slots +asking +ping
	+evalsha +eval +time +hmget +hset +del +pexpire +xadd +xdel +xrange +xrevrange +spublish +ssubscribe +sunsubscribe +wait +type
	+hdel +hlen +hgetall +zadd +zrange +zrem +zcard +zscore +persist`)

func TestBrokerAsALimitedUser(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	allow(t, server)
	o := server.Options()
	o.Username, o.Password = "tidewire", password
	client := closing[*redis.Client](t)(redis.NewClient(o), nil)
	suite(t, client, connect(t, server), nil)
	check(t, newBroker(t, client, redisbroker.Options{}).Health(t.Context()))
	wantNothingRefused(t, server)
}

func TestBrokerAsALimitedUserOnCluster(t *testing.T) {
	t.Parallel()
	c := onCluster(t, calmCluster...)
	client := c.limited()
	suite(t, client, c.client, nil)
	check(t, newBroker(t, client, redisbroker.Options{}).Health(t.Context()))
	for _, node := range c.Nodes {
		wantNothingRefused(t, node)
	}
}

// allow adds the limited user to a server.
func allow(t *testing.T, server *redistest.Server) {
	t.Helper()
	args := make([]any, len(limitedUser))
	for i, arg := range limitedUser {
		args[i] = arg
	}
	check(t, connect(t, server).Do(t.Context(), args...).Err())
}

// wantNothingRefused fails if the server has refused a command to somebody.
func wantNothingRefused(t *testing.T, server *redistest.Server) {
	t.Helper()
	log, err := connect(t, server).ACLLog(t.Context(), 100).Result()
	check(t, err)
	for _, entry := range log {
		t.Errorf("refused: %s of %s (%s)", entry.Object, entry.Username, entry.Reason)
	}
}
