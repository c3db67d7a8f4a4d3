package redisbroker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/testaid"
)

// hold makes calls of a kind wait until the returned function is called.
func hold(t *testing.T, s *server, what string) (release func()) {
	t.Helper()
	held := make(chan struct{})
	s.pipelines.at(pipelineKey{"", what}, func(ctx context.Context, calls []*call) {
		<-held
		s.send(context.Background(), calls)
	})
	release = sync.OnceFunc(func() { close(held) })
	t.Cleanup(release)
	return release
}

// TestSlowReadsOfHistoryHoldUpNothingElse has more reads of history under way than are
// sent at once, none of which comes back.
func TestSlowReadsOfHistoryHoldUpNothingElse(t *testing.T) {
	_, client := startServer(t)
	o := Options{Check: time.Hour}.withDefaults()
	s := newServer(client, o)
	b := newBroker(s, o)
	t.Cleanup(func() { must(t, b.Close(context.Background())) })
	release := hold(t, s, historyCalls)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	const reads = maxWaiting + 100 // more than may wait
	errs := make(chan error, reads)
	for range reads {
		go func() {
			_, err := b.Since(ctx, "a", at(1, 1), broker.Limit{})
			errs <- err
		}()
	}
	pipeline := s.pipelines.at(pipelineKey{"", historyCalls}, nil)
	testaid.Eventually(t, "reads that wait", func() bool { return len(pipeline.slots) == maxWaiting })

	r := &signal{at: make(chan uint64, 10)}
	_, err := b.Subscribe(t.Context(), "a", r)
	must(t, err)
	add(t, b, "a", "x")
	<-r.at
	must(t, put(t, b, "k", time.Hour))
	_, err = b.All(t.Context(), "s")
	must(t, err)
	value, err := b.Take(t.Context(), "s", "k")
	if err != nil || string(value) != "x" {
		t.Errorf("Take: %q, %v", value, err)
	}
	_, err = s.Heads(t.Context(), []string{"a", "b"})
	must(t, err)
	must(t, b.Health(t.Context()))
	hubs := broker.ReservedTopicPrefix + "control"
	_, err = b.Since(t.Context(), hubs, at(1, 1), broker.Limit{})
	must(t, err)
	_, err = b.Recent(t.Context(), hubs, broker.Limit{Messages: 1})
	must(t, err)

	cancel() // a client that is gone waits no longer
	for range reads {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Fatalf("a read that nobody waits for: %v", err)
		}
	}
	release()
	if _, err := b.Since(t.Context(), "a", at(1, 1), broker.Limit{}); err != nil {
		t.Errorf("after all: %v", err)
	}
}
