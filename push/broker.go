package push

import (
	"context"

	"github.com/tidewire/tidewire/broker"
)

// Broker assigns positions to messages, keeps each topic's history, and delivers messages
// to all instances. Package broker/brokertest is the suite that every broker must pass.
//
// All methods may be called by any number of goroutines. After Close they return an error
// with CodeUnavailable; for what [broker.CheckAnyTopic] refuses, one with CodeBadRequest. A
// broker's errors are *Error, a Code, or those of the context.
//
// Within one epoch the messages of a topic have the offsets 1, 2, 3 … without holes. Each
// carries the tag of its predecessor, the first the tag 0. The epoch changes whenever that
// could not be kept otherwise. A topic that nobody has published to costs nothing, whoever
// asks for it; see [broker.Keeper].
//
// A broker to which one call costs a round trip should also have a method like
// [Hub.PublishAll], with the same promises; the hub then calls that.
type Broker interface {
	Publisher

	// Subscribe delivers the topic's messages to r, and returns a position: r gets every
	// message after it, each once and in order, perhaps before Subscribe returns. A topic
	// that nobody has published to is at offset 0.
	//
	// Each call is one subscription. The same r may be subscribed to a topic only once at a
	// time.
	Subscribe(ctx context.Context, topic string, r Receiver) (broker.Position, error)

	// Unsubscribe ends a subscription. Once it has returned, r gets nothing more. Without a
	// subscription it does nothing.
	Unsubscribe(topic string, r Receiver)

	// Since reads the messages after a position, oldest first: as many as limit allows,
	// but at least one if there is one and limit.Least doesn't forbid it. If it isn't known
	// what follows the position, there are no messages and Gap says why: broker.GapEpoch if
	// the position is of another epoch, broker.GapFork if the message at its offset has
	// another tag or isn't there yet, broker.GapTrimmed if the message after it is no
	// longer kept.
	Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (Page, error)

	// Recent reads the last messages that are kept, oldest first: as many as limit allows,
	// which may be none. With no limit.Messages it reads only the topic's head.
	Recent(ctx context.Context, topic string, limit broker.Limit) (Page, error)

	// Close ends all that the broker has started, and waits for it until the context
	// ends. Closing again does nothing. What the application passed in, such as a Redis
	// client, stays open.
	Close(ctx context.Context) error
}

// Receiver gets what a broker delivers for a topic. Its methods are called one at a time
// for each topic, must return soon, and must not call the broker.
type Receiver interface {
	// Receive gets the next message, which continues the one before.
	Receive(m *Message)
	// Break says that the chain is broken: after the gap, messages continue from gap.Now.
	Break(gap broker.Gap)
}

// Page is what a broker read. Messages are contiguous.
type Page struct {
	Messages []*Message
	Head     broker.Position  // the topic's newest message when it was read
	Gap      broker.GapReason // why there are none, or ""
}
