package faults_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
)

// F46.
func TestFailoverInSyncLosesNothing(t *testing.T) {
	t.Parallel()
	primary, replica, sentinels := startSentinels(t, downAfter)
	client := closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil)
	b := newBroker(t, client, unaided)
	instance := newBroker(t, client, unaided)
	f, g := follow(t, b, "a"), follow(t, instance, "a")
	for i := range 100 {
		publish(t, b, "a", fmt.Sprint(i))
	}
	check(t, replica.AwaitSync(primary))
	check(t, primary.Stop(os.Kill))
	p := publishing(t, b, "a", "during")
	await(t, "another primary", func() bool { return sentinels.Primary() == replica.Addr() })
	begin := time.Now()
	p.awaitAcked(1)
	within(t, "publishing again", 2*time.Second, begin)
	p.awaitAcked(20)
	p.end(f, g)
	for _, f := range []*follower{f, g} {
		p.wantAll(f)
		f.wantNoGap()
		for i := range 100 {
			if !f.has(fmt.Sprint(i)) {
				t.Errorf("%d is lost", i)
			}
		}
	}
}

// fork makes a topic whose last five messages no replica has. It gives the positions after each message; topic b has
// lost nothing.
func fork(t *testing.T, b push.Broker, primary *redistest.Server, replicas ...*redistest.Server) (positions []broker.Position) {
	t.Helper()
	positions = []broker.Position{{}}
	for i := range 100 {
		if i == 95 {
			publish(t, b, "b", "kept")
			for _, replica := range replicas {
				check(t, replica.AwaitSync(primary))
			}
			check(t, primary.CutReplicas())
		}
		positions = append(positions, publish(t, b, "a", fmt.Sprint(i+1)).Position)
	}
	return positions
}

// wantGaps fails unless each resume from the last ten offsets, up to that of the last lost message, gets one true gap.
func wantGaps(t *testing.T, b push.Broker, positions []broker.Position) {
	t.Helper()
	for offset := 91; offset <= 100; offset++ {
		page, err := b.Since(t.Context(), "a", positions[offset], broker.Limit{})
		if err != nil || page.Gap != broker.GapEpoch && page.Gap != broker.GapFork || len(page.Messages) != 0 {
			t.Errorf("resuming after %d: gap %q, %d messages, %v", offset, page.Gap, len(page.Messages), err)
		}
	}
}

// F45: messages 96 to 100 die with the primary.
func TestFailoverToALaggingReplicaIsOneGap(t *testing.T) {
	t.Parallel()
	primary, replica, sentinels := startSentinels(t, downAfter)
	client := closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil)
	b := newBroker(t, client, redisbroker.Options{})
	instance := newBroker(t, client, redisbroker.Options{})
	lost := []*follower{follow(t, b, "a"), follow(t, instance, "a")}
	kept := []*follower{follow(t, b, "b"), follow(t, instance, "b")}
	positions := fork(t, b, primary, replica)
	for _, f := range lost {
		f.await("100")
	}
	check(t, primary.Stop(os.Kill))
	await(t, "another primary", func() bool { return sentinels.Primary() == replica.Addr() })
	begin := time.Now()
	for _, f := range lost {
		f.awaitGap()
	}
	within(t, "telling the gap", 2*time.Second+2*time.Second, begin) // the check, and what is promised beside it
	for _, topic := range []string{"a", "b"} {
		awaitPublish(t, b, push.Message{Topic: topic, ID: "after", Data: []byte("after")})
	}
	for _, f := range lost {
		f.await("after")
		f.wantOneGap()
		if got := f.got(); !slices.Equal(got[len(got)-1:], []string{"after"}) || len(got) < 102 {
			t.Errorf("got %d entries, the last %q", len(got), got[max(0, len(got)-8):])
		}
	}
	for _, f := range kept {
		f.await("after")
		f.wantNoGap()
	}
	wantGaps(t, b, positions)
	wantGaps(t, instance, positions)
}

// The same without anything that would look by itself: the next message of somebody else shows the fork.
func TestForkIsFoundByTheNextMessage(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	replica := startReplica(t, primary)
	l := startLink(t, primary)
	client := connectAt(t, l.Addr())
	b := newBroker(t, client, unaided)
	f := follow(t, b, "a")
	positions := fork(t, b, primary, replica)
	f.await("100")
	check(t, primary.Stop(os.Kill))
	check(t, replica.Promote())
	// A service that has seen nothing writes new messages at the offsets of the lost ones.
	stranger := newBroker(t, connect(t, replica), redisbroker.Options{})
	for i := range 10 {
		publish(t, stranger, "a", fmt.Sprint("new ", i))
	}
	// It can't know what it hasn't seen, but a cursor at a lost message tells it.
	for offset := 96; offset <= 100; offset++ {
		page, err := stranger.Since(t.Context(), "a", positions[offset], broker.Limit{})
		if err != nil || page.Gap != broker.GapFork || len(page.Messages) != 0 {
			t.Errorf("resuming after %d: gap %q, %d messages, %v", offset, page.Gap, len(page.Messages), err)
		}
	}
	check(t, l.To(replica.Addr()))
	f.awaitGap()
	publish(t, stranger, "a", "after")
	f.await("after")
	f.wantOneGap()
	wantGaps(t, b, positions)
}
