// Package brokertest is the suite that every broker must pass. A broker's test
// hands it a constructor, and what measures the broker:
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, func(t *testing.T, c brokertest.Config) push.Broker {
//			return membroker.New(membroker.Options{History: c.History, MaxMessage: c.MaxMessage, Retry: c.Retry})
//		}, func(t *testing.T, b push.Broker) map[string]int {
//			return map[string]int{"topics": b.(*membroker.Broker).Topics()}
//		})
//	}
package brokertest

import (
	"context"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
)

// Config is what a test needs of a broker; zero fields are the broker's
// defaults.
type Config struct {
	History    push.History
	MaxMessage int
	Retry      time.Duration
}

// New makes a broker with nothing stored. The suite closes it.
type New func(t *testing.T, c Config) push.Broker

// Cost tells how much of each thing a broker holds: keys and bytes in its store, topics and
// subscriptions in memory, whatever could grow. The suite compares a broker only with
// itself.
type Cost func(t *testing.T, b push.Broker) map[string]int

// Run runs the suite. Each test gets brokers of its own.
func Run(t *testing.T, newBroker New, cost Cost) {
	tests := []struct {
		name string
		run  func(*testing.T, New)
	}{
		{"OffsetsHaveNoHoles", testOffsets},
		{"AllPartsArrive", testParts},
		{"DataIsCopied", testDataIsCopied},
		{"TopicsAreApart", testTopicsAreApart},
		{"BadMessagesAreRefused", testBadMessages},
		{"SameIDIsStoredOnce", testSameID},
		{"SameIDAtTheSameTimeIsStoredOnce", testSameIDConcurrently},
		{"DuplicatesDontExtendTheRetryWindow", testRetryWindow},
		{"ReplicatedIsStoredOrTold", testReplicated},
		{"SubscribersSeeOneOrder", testOneOrder},
		{"SubscribingWhilePublishingHasNoSeam", testNoSeam},
		{"NothingAfterUnsubscribe", testUnsubscribe},
		{"SinceGivesTheRest", testSince},
		{"SinceHeedsLimits", testSinceLimits},
		{"SinceGivesTheLeastOrNothing", testSinceLeast},
		{"SinceTellsGaps", testSinceGaps},
		{"SinceTellsTrimmed", testTrimmed},
		{"HistoryIsBoundedInBytes", testHistoryBytes},
		{"HistoryIsBoundedInAge", testHistoryAge},
		{"HistoryNeedNotBeBounded", testHistoryWithoutBounds},
		{"RecentGivesTheNewest", testRecent},
		{"TopicWithoutMessagesHasAPlace", testEmptyTopic},
		{"TopicsThatNobodyPublishesToCostNothing", func(t *testing.T, newBroker New) { testCost(t, newBroker, cost) }},
		{"ClosedBrokerRefuses", testClose},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newBroker) })
	}
}

// open makes a broker that is closed with the test.
func open(t *testing.T, newBroker New, c Config) push.Broker {
	t.Helper()
	b := newBroker(t, c)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// publish stores a message and returns it as a subscriber should see it.
func publish(t *testing.T, b push.Broker, m push.Message) push.Receipt {
	t.Helper()
	receipt, err := b.Publish(t.Context(), m)
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return receipt
}

func text(topic, data string) push.Message {
	return push.Message{Topic: topic, Data: []byte(data)}
}

// collector is a Receiver that checks the chain of what it gets.
type collector struct {
	t        *testing.T
	messages chan *push.Message
	gaps     chan push.Gap
}

func newCollector(t *testing.T) *collector {
	return &collector{t: t, messages: make(chan *push.Message, 100_000), gaps: make(chan push.Gap, 100)}
}

func (c *collector) Receive(m *push.Message) { c.messages <- m }
func (c *collector) Break(gap push.Gap)      { c.gaps <- gap }

// patience is how long the suite waits for what must come. It ends a broken
// test; no test passes by it.
const patience = 10 * time.Second

// next waits for one message, which must continue at.
func (c *collector) next(at *push.Position) *push.Message {
	c.t.Helper()
	select {
	case m := <-c.messages:
		if !at.Precedes(m) {
			c.t.Fatalf("message %+v does not continue %+v", m.Position, *at)
		}
		*at = m.Position
		return m
	case gap := <-c.gaps:
		c.t.Fatalf("unexpected gap %+v", gap)
	case <-time.After(patience): //clock:real it ends a broken test
		c.t.Fatalf("no message after %+v", *at)
	}
	return nil
}

func subscribe(t *testing.T, b push.Broker, topic string) (*collector, push.Position) {
	t.Helper()
	c := newCollector(t)
	at, err := b.Subscribe(t.Context(), topic, c)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	return c, at
}

// since reads, which must not fail.
func since(t *testing.T, b push.Broker, topic string, after push.Position, limit push.Limit) push.Page {
	t.Helper()
	page, err := b.Since(t.Context(), topic, after, limit)
	if err != nil {
		t.Fatalf("Since: %v", err)
	}
	return page
}

func recent(t *testing.T, b push.Broker, topic string, n int) push.Page {
	t.Helper()
	page, err := b.Recent(t.Context(), topic, n)
	if err != nil {
		t.Fatalf("Recent: %v", err)
	}
	return page
}
