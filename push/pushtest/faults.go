package pushtest

import (
	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/inside"
)

// Lose loses the notification of the topic's next message, as a network between a store and
// a hub may: the hub gets the message together with the next one, or a second later, when a
// broker finds what is missing. Nobody misses it, and it is in order. If [Hub.Expire] has
// come between, it is gone, and the topic's clients get a gap. Somebody has to follow the
// topic.
func (h *Hub) Lose(topic string) {
	h.t.Helper()
	if !h.broker.lose(topic) {
		h.t.Fatalf("pushtest: Lose(%q): nobody follows the topic, so there is nothing to lose", topic)
	}
}

// Expire takes the history of a topic: what was published until now can't be replayed. A
// client that was away meanwhile, and has missed some of it, gets a gap, or of a state topic a
// reset. The keys of a state stay.
func (h *Hub) Expire(topic string) {
	h.t.Helper()
	if err := h.broker.expire(topic); err != nil {
		h.t.Fatalf("pushtest: Expire(%q): %v", topic, err)
	}
	inside.ForgetHistory(h.Hub, topic)
}

// FailBroker makes each call of the broker fail with an error until [Hub.Heal]: publishes,
// and new topics of clients. Those that follow a topic keep it. Nil is the error that brokers
// have when their store is away, [push.CodeUnavailable]; an error that isn't one of package
// push is the cause of that.
func (h *Hub) FailBroker(err error) {
	if err == nil || push.AsError(err).Code == push.CodeInternal {
		err = push.NewError(push.CodeUnavailable, "the test has made the broker fail", err)
	}
	h.broker.fail(err)
}

// Heal ends what FailBroker has begun.
func (h *Hub) Heal() { h.broker.fail(nil) }

// lose has the relay of a topic drop its next message; false if there is none.
func (b *faultyBroker) lose(topic string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := false
	for key, r := range b.relays {
		if key.topic == topic {
			r.lose()
			found = true
		}
	}
	return found
}

// expire forgets what a topic has by now.
func (b *faultyBroker) expire(topic string) error {
	page, err := b.Broker.Recent(nil, topic, broker.Limit{}) //nolint:staticcheck // a membroker heeds no context
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.floors[topic] = page.Head
	for key, r := range b.relays {
		if key.topic == topic {
			r.expire()
		}
	}
	return nil
}

func (b *faultyBroker) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failure = err
}
