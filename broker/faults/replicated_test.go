package faults_test

import (
	"errors"
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

func replicated(topic, data string) push.Message {
	return push.Message{Topic: topic, Data: []byte(data), Replicated: true}
}

func TestReplicatedPublishWaitsForAReplica(t *testing.T) {
	t.Parallel()
	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()
		primary, replica, sentinels := startSentinels(t, downAfter)
		b := newBroker(t, closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil), redisbroker.Options{})
		wantReplication(t, b, "a", primary, replica)
	})
	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		c := onCluster(t)
		b := newBroker(t, c.client, redisbroker.Options{})
		publish(t, b, "a", "first")
		key := c.key("a")
		wantReplication(t, b, "a", c.Owner(key), c.Replicas(key)[0])
	})
	t.Run("Alone", func(t *testing.T) {
		t.Parallel()
		b := newBroker(t, connect(t, startServer(t)), redisbroker.Options{})
		if _, err := b.Publish(t.Context(), replicated("a", "1")); !errors.Is(err, push.CodeNotReplicated) {
			t.Errorf("Publish without replicas: %v", err)
		}
	})
}

func wantReplication(t *testing.T, b push.Broker, topic string, primary, replica *redistest.Server) {
	t.Helper()
	f := follow(t, b, topic)
	_, err := b.Publish(t.Context(), replicated(topic, "confirmed"))
	check(t, err)
	check(t, replica.Freeze())
	begin := time.Now()
	receipt, err := b.Publish(t.Context(), replicated(topic, "unconfirmed"))
	if !errors.Is(err, push.CodeNotReplicated) {
		t.Errorf("Publish with the replica frozen: %v", err)
	}
	within(t, "saying so", 500*time.Millisecond+time.Second, begin)
	f.await("unconfirmed")
	page, err := b.Recent(t.Context(), topic, broker.Limit{Messages: 1})
	check(t, err)
	if receipt.Position != page.Head || receipt.ID != page.Messages[0].ID {
		t.Errorf("the receipt %+v isn't of the message %+v", receipt, page.Messages[0])
	}
	publish(t, b, topic, "accepted") // what doesn't ask for a replica doesn't wait
	check(t, replica.Thaw())
	check(t, replica.AwaitSync(primary))
	_, err = b.Publish(t.Context(), replicated(topic, "after"))
	check(t, err)
	f.await("after")
	f.wantNoGap()
}

// What was replicated survives the primary, whatever became of the rest.
func TestReplicatedMessagesSurviveAFailover(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	replica := startReplica(t, primary)
	l := startLink(t, primary)
	b := newBroker(t, connectAt(t, l.Addr()), redisbroker.Options{})
	var last push.Receipt
	for i := range 20 {
		receipt, err := b.Publish(t.Context(), replicated("a", fmt.Sprint(i)))
		check(t, err)
		last = receipt
	}
	check(t, primary.Stop(os.Kill))
	check(t, replica.Promote())
	check(t, l.To(replica.Addr()))
	var page push.Page
	await(t, "a read", func() bool {
		var err error
		page, err = b.Recent(t.Context(), "a", broker.Limit{Messages: 100})
		return err == nil
	})
	if len(page.Messages) != 20 || page.Head != last.Position {
		t.Errorf("%d messages are left, up to %+v; want 20 up to %+v", len(page.Messages), page.Head, last.Position)
	}
}
