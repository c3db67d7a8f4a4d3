package faults_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
)

// suite runs what every broker must pass, on a client; admin counts the keys.
func suite(t *testing.T, client, admin redis.UniversalClient) {
	t.Helper()
	last := ""
	newBroker := func(t *testing.T, c brokertest.Config) push.Broker {
		last = prefix()
		return redisbroker.New(client, redisbroker.Options{
			Prefix: last, History: c.History, MaxMessage: c.MaxMessage, Retry: c.Retry, Logger: quiet,
		})
	}
	brokertest.Run(t, newBroker, func(t *testing.T, _ push.Broker) map[string]int {
		t.Helper()
		var keys atomic.Int64
		count := func(ctx context.Context, node *redis.Client) error {
			names, err := node.Keys(ctx, last+"*").Result()
			keys.Add(int64(len(names)))
			return err
		}
		switch admin := admin.(type) {
		case *redis.ClusterClient:
			check(t, admin.ForEachMaster(t.Context(), count))
		case *redis.Client:
			check(t, count(t.Context(), admin))
		}
		return map[string]int{"keys": int(keys.Load())}
	})
	brokertest.RunStore(t, newBroker)
}

func TestBrokerOnSentinel(t *testing.T) {
	t.Parallel()
	_, _, sentinels := startSentinels(t)
	client := closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil)
	suite(t, client, client)
}

func TestBrokerOnCluster(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	client := closing[*redis.ClusterClient](t)(redis.NewClusterClient(cluster.Options()), nil)
	suite(t, client, client)
}

func TestBrokerOverTLS(t *testing.T) {
	t.Parallel()
	c := newAuthority(t)
	server := closing[*redistest.Server](t)(redistest.StartTLS(t.TempDir(), c.client(), c.serve(t)...))
	client := connect(t, server)
	suite(t, client, client)
}

// limitedUser is the smallest user that the broker can be; the commands of the second line are needed on a Cluster only.
var limitedUser = strings.Fields(`ACL SETUSER tidewire on >` + password + ` ~tidewire:* &tidewire:* -@all
	+cluster|slots +asking +ping
	+evalsha +eval +time +hmget +hset +del +pexpire +xadd +xdel +xrange +xrevrange +spublish +ssubscribe +sunsubscribe +wait +type
	+hdel +hlen +hgetall +zadd +zrange +zrem`)

func TestBrokerAsALimitedUser(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	allow(t, server)
	o := server.Options()
	o.Username, o.Password = "tidewire", password
	client := closing[*redis.Client](t)(redis.NewClient(o), nil)
	suite(t, client, connect(t, server))
	check(t, newBroker(t, client, redisbroker.Options{}).Health(t.Context()))
	wantNothingRefused(t, server)
}

func TestBrokerAsALimitedUserOnCluster(t *testing.T) {
	t.Parallel()
	c := onCluster(t)
	client := c.limited()
	suite(t, client, c.client)
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
