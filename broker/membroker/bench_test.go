package membroker_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// BenchmarkPublish is what a publish through the hub costs, without and with a
// receiver at the broker that does nothing.
func BenchmarkPublish(b *testing.B) {
	for _, receivers := range []int{0, 1} {
		b.Run(fmt.Sprint(receivers, " receivers"), func(b *testing.B) {
			broker := membroker.New()
			for range receivers {
				if _, err := broker.Subscribe(context.Background(), "a", receiver{}); err != nil {
					b.Fatal(err)
				}
			}
			hub := push.New(broker, push.Options{})
			defer hub.Shutdown(context.Background())
			m := push.Message{Topic: "a", Data: make([]byte, 128)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := hub.Publish(context.Background(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPublishWithID is the same for a publisher that names its messages.
func BenchmarkPublishWithID(b *testing.B) {
	hub := push.New(membroker.New(), push.Options{})
	defer hub.Shutdown(context.Background())
	m := push.Message{Topic: "a", Data: make([]byte, 128)}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		m.ID = fmt.Sprint(n)
		if _, err := hub.Publish(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublishManyTopics has as many publishers as processors, each on topics
// of its own.
func BenchmarkPublishManyTopics(b *testing.B) {
	hub := push.New(membroker.New(), push.Options{})
	defer hub.Shutdown(context.Background())
	var publishers atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		publisher := publishers.Add(1)
		topics := make([]string, 100)
		for i := range topics {
			topics[i] = fmt.Sprintf("p%d/t%d", publisher, i)
		}
		data := make([]byte, 128)
		for i := 0; pb.Next(); i++ {
			if _, err := hub.Publish(context.Background(), push.Message{Topic: topics[i%len(topics)], Data: data}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
