package pushtest

import (
	"context"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Lose loses the notification of the topic's next message, as a network between a store and
// a hub may: the hub gets the message together with the next one, or a second later, when a
// broker finds what is missing. Nobody misses it, and it is in order. If [Broker.Expire] has
// come between, it is gone, and the topic's clients get a gap. Somebody has to follow the
// topic.
func (b *Broker) Lose(topic string) {
	b.t.Helper()
	relays := b.relaysOf(topic)
	if len(relays) == 0 {
		b.t.Fatalf("pushtest: Lose(%q): nobody follows the topic, so there is nothing to lose", topic)
	}
	for _, r := range relays {
		r.lose()
	}
}

// Expire takes the history of a topic: what was published until now can't be replayed. A
// client that was away meanwhile, and has missed some of it, gets a gap, or of a state topic a
// reset. The keys of a state stay.
func (b *Broker) Expire(topic string) {
	b.t.Helper()
	page, err := b.memory.Recent(context.Background(), topic, broker.Limit{})
	if err != nil {
		b.t.Fatalf("pushtest: Expire(%q): %v", topic, err)
	}
	b.mu.Lock()
	b.floors[topic] = page.Head
	b.mu.Unlock()
	for _, r := range b.relaysOf(topic) {
		r.expire()
	}
}

// Fail makes each call of the broker fail with an error until [Broker.Heal]: publishes, and
// new topics of clients. Those that follow a topic keep it. Nil is the error that brokers have
// when their store is away, [push.CodeUnavailable]; an error that isn't one of package push is
// the cause of that.
func (b *Broker) Fail(err error) {
	if err == nil || push.AsError(err).Code == push.CodeInternal {
		err = push.NewError(push.CodeUnavailable, "the test has made the broker fail", err)
	}
	b.setFailure(err)
}

// Heal ends what Fail has begun.
func (b *Broker) Heal() { b.setFailure(nil) }

func (b *Broker) setFailure(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failure = err
}

// relaysOf returns what is between the broker and the topic's receivers.
func (b *Broker) relaysOf(topic string) (relays []*relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, r := range b.relays {
		if key.topic == topic {
			relays = append(relays, r)
		}
	}
	return relays
}
