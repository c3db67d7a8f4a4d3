package faults_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// F39.
func TestEightInstancesSeeOneOrder(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const instances, each = 8, 50
	var brokers []push.Broker
	var followers []*follower
	for range instances {
		b := newBroker(t, connect(t, server), unaided)
		brokers = append(brokers, b)
		followers = append(followers, follow(t, b, "a"))
	}
	var work sync.WaitGroup
	for i, b := range brokers {
		work.Go(func() {
			for n := range each {
				if _, err := b.Publish(context.WithoutCancel(t.Context()), push.Message{Topic: "a", Data: fmt.Appendf(nil, "%d %d", i, n)}); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	work.Wait()
	publish(t, brokers[0], "a", "end")
	page, err := brokers[0].Recent(t.Context(), "a", broker.Limit{Messages: 1000})
	check(t, err)
	var stored []string
	next := make([]int, instances)
	for _, m := range page.Messages {
		stored = append(stored, string(m.Data))
		var publisher, number int
		if n, _ := fmt.Sscanf(string(m.Data), "%d %d", &publisher, &number); n == 2 {
			if number != next[publisher] {
				t.Errorf("%q comes where number %d should", m.Data, next[publisher])
			}
			next[publisher]++
		}
	}
	if len(stored) != instances*each+1 {
		t.Errorf("%d messages are stored", len(stored))
	}
	for i, f := range followers {
		f.await("end")
		if !slices.Equal(f.got(), stored) {
			t.Errorf("instance %d has another order than the history", i)
		}
	}
}
