package brokertest

import (
	"context"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// Calls of a broker that must not fail.

func publish(t testing.TB, b push.Broker, m push.Message) push.Receipt {
	t.Helper()
	receipt, err := b.Publish(t.Context(), m)
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return receipt
}

func subscribe(t testing.TB, b push.Broker, topic string) (*collector, broker.Position) {
	t.Helper()
	c := newCollector(t)
	at, err := b.Subscribe(t.Context(), topic, c)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	return c, at
}

func since(t testing.TB, b push.Broker, topic string, after broker.Position, limit broker.Limit) push.Page {
	t.Helper()
	page, err := b.Since(t.Context(), topic, after, limit)
	if err != nil {
		t.Fatalf("Since: %v", err)
	}
	return page
}

func recent(t testing.TB, b push.Broker, topic string, n int) push.Page {
	t.Helper()
	page, err := b.Recent(t.Context(), topic, broker.Limit{Messages: n})
	if err != nil {
		t.Fatalf("Recent: %v", err)
	}
	return page
}

// newest returns the topic's newest message, which must exist.
func newest(t testing.TB, b push.Broker, topic string) *push.Message {
	t.Helper()
	page := recent(t, b, topic, 1)
	if len(page.Messages) != 1 {
		t.Fatalf("the newest of %q: %+v, want one message", topic, page)
	}
	return page.Messages[0]
}

func closeBroker(t testing.TB, b push.Broker) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// Calls that may fail for a while, because the backend has just come back.
// Publishing again is safe because the message has an ID.

func awaitPublish(t testing.TB, b push.Broker, topic, id string) (receipt push.Receipt) {
	t.Helper()
	testaid.Eventually(t, "publishing again", func() bool {
		var err error
		receipt, err = b.Publish(t.Context(), push.Message{Topic: topic, ID: id, Data: []byte(id)})
		return err == nil
	})
	return receipt
}

func awaitSince(t testing.TB, b push.Broker, topic string, after broker.Position) (page push.Page) {
	t.Helper()
	testaid.Eventually(t, "reading again", func() bool {
		var err error
		page, err = b.Since(t.Context(), topic, after, broker.Limit{})
		return err == nil
	})
	return page
}

func text(topic, data string) push.Message {
	return push.Message{Topic: topic, Data: []byte(data)}
}
