package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

func testOneOrder(t testing.TB, s setup) {
	b := s.open(t, Options{})
	const publishers, each, subscribers = 8, 50, 4
	collectors := make([]*collector, subscribers)
	starts := make([]broker.Position, subscribers)
	for i := range collectors {
		collectors[i], starts[i] = subscribe(t, b, "a")
	}
	publishAtOnce(t, b, "a", publishers, each)
	var order []string
	for i, c := range collectors {
		last := map[string]int{}
		for n := range publishers * each {
			m := c.next(&starts[i])
			if i == 0 {
				order = append(order, m.ID)
			} else if m.ID != order[n] {
				t.Fatalf("subscriber %d got %q as number %d, the first one %q", i, m.ID, n, order[n])
			}
			var publisher string
			var number int
			if _, err := fmt.Sscanf(string(m.Data), "%s %d", &publisher, &number); err != nil || number != last[publisher]+1 {
				t.Fatalf("%q follows number %d of the same publisher", m.Data, last[publisher])
			}
			last[publisher] = number
		}
	}
}

// publishAtOnce lets several publishers write "name number" to a topic.
func publishAtOnce(t testing.TB, b push.Broker, topic string, publishers, each int) {
	t.Helper()
	var wait sync.WaitGroup
	for p := range publishers {
		wait.Go(func() {
			for n := range each {
				if _, err := b.Publish(context.WithoutCancel(t.Context()), text(topic, fmt.Sprintf("p%d %d", p, n+1))); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	wait.Wait()
}

func testNoSeam(t testing.TB, s setup) {
	b := s.open(t, Options{})
	start := recent(t, b, "a", 0).Head
	const publishers, each = 2, 200
	var publishing sync.WaitGroup
	defer publishing.Wait()
	publishing.Go(func() { publishAtOnce(t, b, "a", publishers, each) })
	// Each subscriber reads the history up to where its subscription starts, and
	// then the subscription: together that must be everything.
	for range 8 {
		c, live := subscribe(t, b, "a")
		at := start
		for at != live {
			page := since(t, b, "a", at, broker.Limit{Messages: 64})
			if page.Gap != "" || len(page.Messages) == 0 {
				t.Fatalf("history after %+v: %+v", at, page)
			}
			for _, m := range page.Messages {
				if at == live {
					break
				}
				if !m.Follows(at) {
					t.Fatalf("%+v does not continue %+v", m.Position, at)
				}
				at = m.Position
			}
		}
		for at.Offset < publishers*each {
			c.next(&at)
		}
		b.Unsubscribe("a", c)
	}
}

func testUnsubscribe(t testing.TB, s setup) {
	b := s.open(t, Options{})
	c, at := subscribe(t, b, "a")
	other, otherAt := subscribe(t, b, "a")
	publish(t, b, text("a", "1"))
	c.next(&at)
	other.next(&otherAt)
	b.Unsubscribe("a", c)
	b.Unsubscribe("a", c)
	b.Unsubscribe("nobody", c)
	publish(t, b, text("a", "2"))
	other.next(&otherAt)
	if c.waiting() != 0 {
		t.Error("a message came after Unsubscribe")
	}
	again, err := b.Subscribe(t.Context(), "a", c)
	if err != nil || again != otherAt {
		t.Fatalf("subscribing again starts at %+v, %v; want %+v", again, err, otherAt)
	}
	publish(t, b, text("a", "3"))
	if m := c.next(&again); string(m.Data) != "3" {
		t.Errorf("got %q", m.Data)
	}

	// Nor does one come that was on its way.
	other.next(&otherAt)
	for i := range 100 {
		publish(t, b, text("a", fmt.Sprint(i)))
	}
	b.Unsubscribe("a", c)
	before := c.waiting()
	for range 100 {
		other.next(&otherAt)
	}
	publish(t, b, text("a", "end"))
	other.next(&otherAt)
	if now := c.waiting(); now != before {
		t.Errorf("%d messages came after Unsubscribe", now-before)
	}
}

// testOneReceiver subscribes the same receiver to two topics, and ends one of both.
func testOneReceiver(t testing.TB, s setup) {
	b := s.open(t, Options{})
	c, _ := subscribe(t, b, "a")
	at, err := b.Subscribe(t.Context(), "b", c)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	b.Unsubscribe("a", c)
	publish(t, b, text("a", "1"))
	publish(t, b, text("b", "2"))
	if m := c.next(&at); m.Topic != "b" || string(m.Data) != "2" {
		t.Errorf("got %q of %q", m.Data, m.Topic)
	}
}

func testClose(t testing.TB, s setup) {
	b := s.open(t, Options{})
	c, _ := subscribe(t, b, "a")
	publish(t, b, text("a", "1"))
	for range 2 {
		if err := b.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if _, err := b.Publish(t.Context(), text("a", "2")); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Publish after Close: %v", err)
	}
	if _, err := b.Subscribe(t.Context(), "a", c); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Subscribe after Close: %v", err)
	}
	if _, err := b.Since(t.Context(), "a", broker.Position{Epoch: 1}, broker.Limit{}); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Since after Close: %v", err)
	}
	if _, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 1}); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Recent after Close: %v", err)
	}
	b.Unsubscribe("a", c)
}
