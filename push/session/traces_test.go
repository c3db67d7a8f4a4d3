package session_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

// recorder is a tracer that notes what it is told.
type recorder struct {
	mu         sync.Mutex
	published  []error
	deliveries []push.Delivery
}

func (r *recorder) Publish(ctx context.Context, m *push.Message) (context.Context, func(push.Receipt, error)) {
	if m.Event == "untraced" {
		return ctx, nil
	}
	m.Header = map[string]string{"trace": m.Topic}
	return ctx, func(_ push.Receipt, err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.published = append(r.published, err)
	}
}

func (r *recorder) Deliver(m *push.Message) func(push.Delivery) {
	if m.Header["trace"] != m.Topic {
		return nil
	}
	return func(d push.Delivery) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.deliveries = append(r.deliveries, d)
	}
}

func (r *recorder) delivered() []push.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]push.Delivery(nil), r.deliveries...)
}

// TestTraceEndsWithTheLastWrite: clients that a shard writes to, one that is slow, and one that
// never reads.
func TestTraceEndsWithTheLastWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		w := newWorld(t, nil, push.Options{Tracer: r})
		defer w.shutdown()
		w.subscribe(w.openSocket(newSocket(1<<20)), "", "a", "b")
		w.subscribe(w.openSocket(newSocket(1<<20)), "", "a")
		synctest.Wait()
		slow, dead := stalledConn(), stalledConn()
		w.subscribe(w.open(slow), "", "a")
		w.subscribe(w.open(dead), "", "a")
		begun := time.Now()
		w.publish("a", "m")
		synctest.Wait()
		if got := r.delivered(); len(got) != 0 {
			t.Errorf("a trace ends before the slow have read: %+v", got)
		}
		time.Sleep(time.Second)
		close(slow.resume)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		got := r.delivered()
		if len(got) != 1 || got[0].Clients != 3 || got[0].Dropped != 1 || !got[0].First.Equal(begun) || got[0].Last.Sub(begun) != time.Second {
			t.Errorf("the delivery from %v is %+v", begun, got)
		}
		w.publish("b", "m")
		synctest.Wait()
		if got := r.delivered(); len(got) != 2 || got[1].Clients != 1 || got[1].Dropped != 0 {
			t.Errorf("%+v", got)
		}
		w.publish("nobody", "m")
		if _, err := w.hub.Publish(t.Context(), push.Message{Topic: "a", Event: "untraced"}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := r.delivered(); len(got) != 2 || len(r.published) != 3 {
			t.Errorf("%d deliveries, %d publishes", len(got), len(r.published))
		}
	})
}

func TestTraceOfWhatIsRefused(t *testing.T) {
	r := &recorder{}
	w := newWorld(t, nil, push.Options{Tracer: r})
	defer w.shutdown()
	_, err := w.hub.Publish(t.Context(), push.Message{Topic: "a", Event: "tidewire.no"})
	for _, p := range w.hub.PublishAll(t.Context(), push.Message{}, "a", "\x00", "b") {
		if (p.Err != nil) != (p.Topic == "\x00") {
			t.Errorf("%q: %v", p.Topic, p.Err)
		}
	}
	if err == nil || len(r.published) != 2 || !errors.Is(r.published[0], err) || r.published[1] == nil {
		t.Errorf("%v is traced as %v", err, r.published)
	}
}

// faulty is a tracer whose methods panic once a message has been stored.
type faulty struct{ deliver bool }

func (f *faulty) Publish(ctx context.Context, m *push.Message) (context.Context, func(push.Receipt, error)) {
	m.Header = map[string]string{"trace": "\x00\r\n\"\xff"}
	return ctx, nil
}

func (f *faulty) Deliver(*push.Message) func(push.Delivery) {
	if f.deliver {
		panic("deliver")
	}
	return func(push.Delivery) { panic("end") }
}

// TestTracerThatPanics stops no message, and not the process.
func TestTracerThatPanics(t *testing.T) {
	for _, deliver := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil, push.Options{Tracer: &faulty{deliver}, Logger: slog.New(slog.DiscardHandler)})
			defer w.shutdown()
			conn := newSocket(1 << 20)
			w.subscribe(w.openSocket(conn), "", "a")
			w.publish("a", "one")
			w.publish("a", "two")
			synctest.Wait()
			if s := w.hub.Stats(); s.Panics != 2 || s.Delivered != 2 {
				t.Errorf("%d panics, %d deliveries", s.Panics, s.Delivered)
			}
		})
	}
}
