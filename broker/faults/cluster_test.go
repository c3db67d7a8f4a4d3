package faults_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
)

// clustered is a cluster, and topics whose owners are known.
type clustered struct {
	*redistest.Cluster
	t      *testing.T
	client *redis.ClusterClient
}

func onCluster(t *testing.T, args ...string) *clustered {
	t.Helper()
	c := startCluster(t, args...)
	return &clustered{c, t, closing[*redis.ClusterClient](t)(redis.NewClusterClient(c.Options()), nil)}
}

// limited makes a client whose user may do only what the broker needs.
func (c *clustered) limited() *redis.ClusterClient {
	c.t.Helper()
	for _, node := range c.Nodes {
		allow(c.t, node)
	}
	o := c.Options()
	o.Username, o.Password = "tidewire", password
	return closing[*redis.ClusterClient](c.t)(redis.NewClusterClient(o), nil)
}

// key is one of the topic's keys, which are all in one slot. The topic must be there.
func (c *clustered) key(topic string) string {
	c.t.Helper()
	var key string
	check(c.t, c.client.ForEachMaster(c.t.Context(), func(ctx context.Context, node *redis.Client) error {
		keys, err := node.Keys(ctx, "tidewire:*}m:"+topic).Result()
		if len(keys) > 0 {
			key = keys[0]
		}
		return err
	}))
	if key == "" {
		c.t.Fatalf("no keys of topic %s", topic)
	}
	return key
}

// apart makes two topics of different owners.
func (c *clustered) apart(b push.Broker) (topic, other string) {
	c.t.Helper()
	publish(c.t, b, "a", "first")
	owner := c.Owner(c.key("a"))
	return "a", c.topic(b, func(s *redistest.Server) bool { return s != owner })
}

// topic makes a topic whose owner is as it should be.
func (c *clustered) topic(b push.Broker, suits func(owner *redistest.Server) bool) string {
	c.t.Helper()
	for n := range 100 {
		topic := fmt.Sprint("b", n)
		publish(c.t, b, topic, "first")
		if suits(c.Owner(c.key(topic))) {
			return topic
		}
	}
	c.t.Fatal("all topics have one owner")
	return ""
}

// F60, in sync.
func TestClusterOwnerIsKilledInSync(t *testing.T) {
	t.Parallel()
	c := onCluster(t)
	b, instance := newBroker(t, c.client, unaided), newBroker(t, c.client, unaided)
	// It only publishes, and has nobody beside it who would notice that nodes have changed.
	alone := newBroker(t, closing[*redis.ClusterClient](t)(redis.NewClusterClient(c.Options()), nil), unaided)
	topic, other := c.apart(b)
	followers := []*follower{follow(t, b, topic), follow(t, instance, topic)}
	bystander := follow(t, instance, other)
	for i := range 50 {
		publish(t, alone, topic, fmt.Sprint(i))
	}
	key := c.key(topic)
	owner, replica := c.Owner(key), c.Replicas(key)[0]
	check(t, replica.AwaitSync(owner))
	check(t, owner.Stop(os.Kill))
	begin := time.Now()
	p := publishing(t, alone, topic, "during")
	p.awaitAcked(1)
	// 5 s are promised and 3 to 4 s usual; many tests share the machine here.
	within(t, "publishing again", 2*(2*nodeTimeout+2*time.Second), begin)
	p.awaitAcked(20)
	p.end(followers...)
	for _, f := range followers {
		p.wantAll(f)
		f.wantNoGap()
	}
	publish(t, b, other, "after")
	bystander.await("after")
	bystander.wantNoGap()
}

// F60 with a replica that lags: as F45.
func TestClusterOwnerIsKilledBeforeItsReplicaHasAll(t *testing.T) {
	t.Parallel()
	c := onCluster(t)
	b, instance := newBroker(t, c.client, redisbroker.Options{}), newBroker(t, c.client, redisbroker.Options{})
	topic, other := c.apart(b)
	followers := []*follower{follow(t, b, topic), follow(t, instance, topic)}
	bystander := follow(t, instance, other)
	key := c.key(topic)
	owner, replica := c.Owner(key), c.Replicas(key)[0]
	positions := []broker.Position{}
	for i := range 20 {
		if i == 15 {
			check(t, replica.AwaitSync(owner))
			check(t, owner.CutReplicas())
		}
		positions = append(positions, publish(t, b, topic, fmt.Sprint(i)).Position)
	}
	for _, f := range followers {
		f.await("19")
	}
	check(t, owner.Stop(os.Kill))
	await(t, "another owner", func() bool { return c.Owner(key) == replica })
	begin := time.Now()
	for _, f := range followers {
		f.awaitGap()
	}
	within(t, "telling the gap", 2*time.Second+2*time.Second, begin) // the check, and what is promised beside it
	awaitPublish(t, b, push.Message{Topic: topic, ID: "after", Data: []byte("after")})
	publish(t, b, other, "after")
	for _, f := range followers {
		f.await("after")
		f.wantOneGap()
	}
	bystander.await("after")
	bystander.wantNoGap()
	for i, position := range positions[10:] {
		page, err := b.Since(t.Context(), topic, position, broker.Limit{})
		if err != nil || page.Gap != broker.GapEpoch && page.Gap != broker.GapFork {
			t.Errorf("resuming after %d: gap %q, %v", 10+i, page.Gap, err)
		}
	}
}

// F62.
func TestClusterWithoutAnOwnerServesTheOthers(t *testing.T) {
	t.Parallel()
	c := onCluster(t, "--cluster-require-full-coverage", "no")
	b := newBroker(t, c.client, redisbroker.Options{})
	topic, other := c.apart(b)
	f, bystander := follow(t, b, topic), follow(t, b, other)
	key := c.key(topic)
	owner, replica := c.Owner(key), c.Replicas(key)[0]
	check(t, replica.AwaitSync(owner))
	check(t, replica.Stop(os.Kill))
	check(t, owner.Stop(os.Kill))
	for i := range 5 {
		wantUnavailable(t, b, topic)
		publish(t, b, other, fmt.Sprint(i))
	}
	if b.Health(t.Context()) == nil {
		t.Error("healthy without an owner")
	}
	bystander.await("4")
	bystander.wantNoGap()
	check(t, owner.Restart())
	awaitPublish(t, b, push.Message{Topic: topic, ID: "after", Data: []byte("after")})
	f.await("after")
	f.wantOneGap() // its owner has come back with nothing
	await(t, "health", func() bool { return b.Health(t.Context()) == nil })
}

// A slot goes to another owner, as when a cluster grows.
func TestFollowersGoWithASlotThatMoves(t *testing.T) {
	t.Parallel()
	c := onCluster(t)
	var log journal
	noted := redisbroker.Options{Check: unaided.Check, Logger: log.logger()}
	client := c.limited()
	b, instance := newBroker(t, client, noted), newBroker(t, client, noted)
	topic, other := c.apart(b)
	followers := []*follower{follow(t, b, topic), follow(t, instance, topic)}
	owner := c.Owner(c.key(topic))
	beside := c.topic(b, func(s *redistest.Server) bool { return s == owner })
	staying := []*follower{follow(t, b, beside), follow(t, instance, beside)}
	p, q := publishing(t, b, topic, "moving"), publishing(t, b, beside, "staying")
	p.awaitAcked(20)
	c.move(c.key(topic), c.Owner(c.key(other)))
	p.awaitAcked(100)
	await(t, "health", func() bool { return b.Health(t.Context()) == nil && instance.Health(t.Context()) == nil })
	lost := log.count("connection lost")
	p.awaitAcked(200)
	if n := log.count("connection lost"); n != lost {
		t.Errorf("connections were lost %d times after all had settled", n-lost)
	}
	begin := time.Now()
	p.end(followers...)
	q.end(staying...)
	within(t, "live again", 5*time.Second, begin)
	for i := range followers {
		p.wantAll(followers[i])
		q.wantAll(staying[i])
		followers[i].wantNoGap()
		staying[i].wantNoGap()
	}
	for _, node := range c.Nodes {
		wantNothingRefused(t, node)
	}
}

// move gives the key's slot, with all that is in it, to another owner.
func (c *clustered) move(key string, to *redistest.Server) {
	t, from := c.t, c.Owner(key)
	t.Helper()
	ctx := t.Context()
	source, target := connect(t, from), connect(t, to)
	slot, err := source.ClusterKeySlot(ctx, key).Result()
	check(t, err)
	fromID, err := source.ClusterMyID(ctx).Result()
	check(t, err)
	toID, err := target.ClusterMyID(ctx).Result()
	check(t, err)
	check(t, target.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID).Err())
	check(t, source.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID).Err())
	for {
		keys, err := source.ClusterGetKeysInSlot(ctx, int(slot), 100).Result()
		check(t, err)
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", "127.0.0.1", target.Options().Addr[len("127.0.0.1:"):], "", 0, 5000, "KEYS"}
		for _, key := range keys {
			args = append(args, key)
		}
		check(t, source.Do(ctx, args...).Err())
	}
	check(t, target.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID).Err())
	check(t, source.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID).Err())
}
