package faults_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// TestFailoverKeepsTheStateOfTheReplica: changes 96 to 100 die with the primary. All
// instances then have the keys of before, at versions of another epoch.
func TestFailoverKeepsTheStateOfTheReplica(t *testing.T) {
	t.Parallel()
	primary, replica, sentinels := startSentinels(t, downAfter)
	client := closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil)
	o := redisbroker.Options{Topics: []push.TopicRule{{Pattern: "state", State: true}}}
	instances := []*redisbroker.Broker{newBroker(t, client, o), newBroker(t, client, o)}
	followers := []*follower{follow(t, instances[0], "state"), follow(t, instances[1], "state")}
	kept, last := map[string]string{}, push.Receipt{}
	for i := range 100 {
		if i == 95 {
			check(t, replica.AwaitSync(primary))
			check(t, primary.CutReplicas())
		}
		m := push.Message{Topic: "state", Key: fmt.Sprint(i % 10), Data: fmt.Append(nil, i)}
		var err error
		last, err = instances[0].Set(t.Context(), m)
		check(t, err)
		if i < 95 {
			kept[m.Key] = string(m.Data)
		}
	}
	for _, f := range followers {
		f.await("99")
	}
	check(t, primary.Stop(os.Kill))
	await(t, "another primary", func() bool { return sentinels.Primary() == replica.Addr() })
	for _, f := range followers {
		f.awaitGap()
	}
	known := broker.Version{Epoch: last.Position.Epoch, Offset: last.Position.Offset}
	for i, b := range instances {
		var page push.Page
		await(t, "the state", func() bool {
			var err error
			page, err = b.State(t.Context(), "state")
			return err == nil && page.Head.Epoch != known.Epoch
		})
		values := map[string]string{}
		for _, m := range page.Messages {
			values[m.Key] = string(m.Data)
			if m.Offset != 0 {
				t.Errorf("%+v is of another epoch", m)
			}
		}
		if !maps.Equal(values, kept) {
			t.Errorf("instance %d has %v, the replica had %v", i, values, kept)
		}
		_, err := b.Set(t.Context(), push.Message{Topic: "state", Key: "9", IfVersion: known})
		if !errors.Is(err, push.CodeConflict) {
			t.Errorf("a version that is lost: %v", err)
		}
	}
}
