package redisbroker_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestFiguresCountCalls(t *testing.T) {
	server := startRedis(t)
	b := newBroker(t, server.client(), redisbroker.Options{Check: 50 * time.Millisecond})
	if f := b.Figures(); f.Calls != 0 || f.Lag != 0 || f.RoundTrips.Count() != 0 {
		t.Errorf("a broker that has done nothing has %+v", f)
	}
	for range 10 {
		if _, err := b.Publish(t.Context(), push.Message{Topic: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	f := b.Figures()
	if f.Calls < 10 || f.RoundTrips.Count() < 10 || f.RoundTrips.Sum <= 0 {
		t.Errorf("ten messages are %+v", f)
	}
	if f.Errors > 1 { // the first call may find that Redis doesn't know the script
		t.Errorf("%d errors", f.Errors)
	}
	followFirst(t, b)
	testaid.Eventually(t, "the lag of a probe", func() bool { return b.Figures().Lag > 0 })
	server.must(server.client().Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	before := b.Figures().Errors
	if _, err := b.Publish(t.Context(), push.Message{Topic: "a"}); err == nil {
		t.Fatal("a replica takes messages")
	}
	if n := b.Figures().Errors; n == before {
		t.Error("a refused call is no error")
	}
}
