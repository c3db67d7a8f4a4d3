package push

import (
	"context"

	"github.com/tidewire/tidewire/broker"
)

// Published is what became of a message in one of the topics that it was published to; see
// [Hub.PublishAll].
type Published struct {
	Topic string
	// Receipt and Err are what Publish returns for this topic.
	Receipt Receipt
	Err     error
}

// batchPublisher is a [Publisher] that publishes a message to several topics for less than
// the cost of one call each, as a broker over a network does. Its PublishAll keeps the
// promises of the hub's.
type batchPublisher interface {
	PublishAll(ctx context.Context, m Message, topics ...string) []Published
}

// PublishAll publishes m to each of these topics, whatever m.Topic is, and returns what
// became of it, in the order of the topics. Over Redis the messages travel together: up to
// 128 in one round trip.
//
// Each topic stands for itself: an error in one never stops the others, and messages of
// different topics have no order. What [Publisher] promises holds for each receipt and
// error. A message ID counts in each topic by itself, so publishing again with the same ID
// and topics is safe; without one, the message has another ID in each topic.
//
// A topic that is named again is published to once, and each of its entries says the same.
// More than 1,000 names are all refused with CodeBadRequest. If the context has no
// deadline, all topics together have Options.BrokerTimeout.
func (h *Hub) PublishAll(ctx context.Context, m Message, topics ...string) []Published {
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	publish := h.publishEach
	if h.options.Tracer != nil {
		publish = h.publishEachTraced
	}
	return broker.EachTopic(topics, func(distinct []string) ([]Published, error) {
		published := publish(ctx, m, distinct)
		for _, p := range published {
			if p.Err == nil {
				h.published.Add(1)
			}
		}
		return published, nil
	}, func(topic string, err error) Published { return Published{Topic: topic, Err: AsError(err)} })
}

// publishEach publishes to different topics: together if the broker can, or one after the
// other.
func (h *Hub) publishEach(ctx context.Context, m Message, topics []string) []Published {
	if b, ok := h.broker.(batchPublisher); ok {
		return b.PublishAll(ctx, m, topics...)
	}
	published := make([]Published, len(topics))
	for i, topic := range topics {
		m.Topic = topic
		receipt, err := h.broker.Publish(ctx, m)
		published[i] = Published{topic, receipt, err}
	}
	return published
}
