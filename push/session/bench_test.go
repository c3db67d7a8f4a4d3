package session_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// countingConn takes everything at once.
type countingConn struct{ frames *atomic.Int64 }

func (c countingConn) Write(frames []*session.Frame) error {
	c.frames.Add(int64(len(frames)))
	return nil
}

func (c countingConn) TryWrite(frames []*session.Frame) (bool, error) { return true, c.Write(frames) }

func (countingConn) End(*push.Error) {}
func (countingConn) Abort()          {}

// BenchmarkFanOut is what a delivery costs without encoding and without a
// network: queueing, waking the writer, and taking from the queue.
func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint(subscribers, " subscribers"), func(b *testing.B) {
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, QueueMessages: -1, QueueBytes: -1})
			var frames atomic.Int64
			format := &fakeFormat{}
			for range subscribers {
				conn := countingConn{&frames}
				s, err := session.Of(hub).Open(session.Client{Format: format, Conn: conn, Try: conn})
				if err != nil {
					b.Fatal(err)
				}
				s.Subscribe(context.Background(), []session.Follow{{Topic: "a"}}, hello)
			}
			m := push.Message{Topic: "a", Data: make([]byte, 128)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := hub.Publish(context.Background(), m); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(subscribers), "ns/delivery")
			b.StopTimer()
			if err := hub.Shutdown(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkStateFanOut is BenchmarkFanOut for a state topic of a thousand keys: what a
// change costs for each subscriber. Changes that come faster than they can be told join.
func BenchmarkStateFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint(subscribers, " subscribers"), func(b *testing.B) {
			rules := []push.TopicRule{{Pattern: "a", State: true}}
			hub := push.New(membroker.New(membroker.Options{Topics: rules}), push.Options{Authorize: push.Anyone})
			var frames atomic.Int64
			format := &stateFormat{}
			for range subscribers {
				conn := countingConn{&frames}
				s, err := session.Of(hub).Open(session.Client{Format: format, Conn: conn, Try: conn})
				if err != nil {
					b.Fatal(err)
				}
				s.Subscribe(context.Background(), []session.Follow{{Topic: "a", State: true}}, hello)
			}
			m := push.Message{Topic: "a", Data: make([]byte, 128)}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				m.Key = fmt.Sprint(n % 1000)
				if _, err := hub.Set(context.Background(), m); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(subscribers), "ns/change")
			b.ReportMetric(float64(frames.Load())/float64(b.N)/float64(subscribers), "frames/change")
			b.StopTimer()
			if err := hub.Shutdown(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
