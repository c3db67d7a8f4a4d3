package push

import (
	"context"

	"github.com/tidewire/tidewire/broker"
)

// Publisher is anything that publishes messages. The [Hub] is one; so is each broker, for
// a backend that serves no browsers, and each transport, for the clients connected to it,
// with nothing stored.
//
// A nil error means that the message is stored in its topic's history and will
// reach every live subscriber on every instance. An error means maybe, unless
// it is CodeBadRequest, CodeTooLarge or CodeConflict, which mean no, or
// CodeNotReplicated, which means yes, with a receipt; see [Message.Replicated].
// To publish again with the same message ID is safe: the message is stored once.
//
// Publish keeps no part of m.Data after it returned, never waits for a
// subscriber, and may be called by any number of goroutines.
type Publisher interface {
	Publish(ctx context.Context, m Message) (Receipt, error)
}

// Version is that of the key which a change of a state topic has changed; see
// [Message.IfVersion].
func (r Receipt) Version() broker.Version {
	return broker.Version{Epoch: r.Position.Epoch, Offset: r.Position.Offset}
}

// Receipt is what Publish returns for a message that was stored.
type Receipt struct {
	// ID is the message's ID.
	ID string
	// Position is its position in the topic; zero from a transport, which assigns none.
	Position broker.Position
	// Duplicate says that a message with this ID was stored before, and that this call
	// added nothing. Position is that of the first.
	Duplicate bool
}
