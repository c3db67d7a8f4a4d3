package membroker_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// BenchmarkTopicMemory is what a topic holds, beside its name: with one message of
// 128 bytes, and with a receiver only.
func BenchmarkTopicMemory(b *testing.B) {
	const topics = 100_000
	names := make([]string, topics)
	for i := range names {
		names[i] = fmt.Sprint("orders/", i)
	}
	data := make([]byte, 128)
	for name, use := range map[string]func(*membroker.Broker, string) error{
		"one message": func(broker *membroker.Broker, topic string) error {
			_, err := broker.Publish(context.Background(), push.Message{Topic: topic, Data: data})
			return err
		},
		"followed": func(broker *membroker.Broker, topic string) error {
			_, err := broker.Subscribe(context.Background(), topic, receiver{})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				broker := membroker.New()
				for _, topic := range names {
					if err := use(broker, topic); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(heap()-before)/topics, "B/topic")
				broker.Close(context.Background())
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
