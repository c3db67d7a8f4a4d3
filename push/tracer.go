package push

import (
	"context"
	"time"
)

// Tracer follows messages from Publish to the sockets of clients, over all instances. The
// context of a trace travels in Message.Header, which no client is told. Module
// push/metrics/otel has one for OpenTelemetry. Its methods are called by many goroutines at
// once, and must return soon. A panic of Deliver, or of the function that it returned, is
// logged and counted as one of any hook.
type Tracer interface {
	// Publish is called before a message is given to the broker. To have Deliver called on
	// each instance, it sets m.Header to a new map with something added; past the bound of
	// a header, that is undone. The context is for the broker. The function is called with
	// the outcome, unless it is nil. One call stands for all topics of PublishAll, m.Topic is
	// "" then, and the outcome has the first error.
	Publish(ctx context.Context, m *Message) (context.Context, func(Receipt, error))
	// Deliver is called when a live message that has a header has come to this instance,
	// where clients follow its topic. The function is called once when all of them have
	// it, unless it is nil. Changes of a state topic aren't delivered one by one, and not
	// traced from here on.
	Deliver(m *Message) func(Delivery)
}

// Delivery is what became of a message on one instance; see [Tracer].
type Delivery struct {
	// Clients is how many took the message, and Dropped for how many it had been queued
	// that were gone or cut before.
	Clients, Dropped int
	// First and Last are when the first and the last of them took it. They are zero if
	// nobody has.
	First, Last time.Time
}

// publishTraced is Publish with a Tracer. It has a message of its own, so that only a traced
// one goes to the heap.
func (h *Hub) publishTraced(ctx context.Context, m Message) (Receipt, error) {
	ctx, end := h.trace(ctx, &m)
	receipt, err := h.broker.Publish(ctx, m)
	end(receipt, err)
	return receipt, err
}

// publishEachTraced is publishEach with a Tracer.
func (h *Hub) publishEachTraced(ctx context.Context, m Message, topics []string) []Published {
	m.Topic = ""
	ctx, end := h.trace(ctx, &m)
	published := h.publishEach(ctx, m, topics)
	var first error
	for _, p := range published {
		if first == nil {
			first = p.Err
		}
	}
	end(Receipt{}, first)
	return published
}

// trace begins to trace a message that is to be published.
func (h *Hub) trace(ctx context.Context, m *Message) (context.Context, func(Receipt, error)) {
	header := m.Header
	ctx, end := h.options.Tracer.Publish(ctx, m)
	if m.headerSize() > maxHeader {
		m.Header = header
	}
	if end == nil {
		end = func(Receipt, error) {}
	}
	return ctx, end
}
