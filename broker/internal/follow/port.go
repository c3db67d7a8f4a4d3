package follow

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// StorePort is everything that a broker asks of its store. What followers get is decided
// above it; below it are the store's commands, connections and formats. The package
// documentation has the rules that an implementation must keep.
//
// All methods may be called by any number of goroutines. They return when the context
// ends, and their errors are *push.Error or, where that is said, ErrStale. An error of
// which the operator should know has a [RefusalError] as its cause.
type StorePort interface {
	// Add stores a message at the next offset of its topic and notifies the topic's
	// channel, in one atomic step. A history that lacks the high-water mark, or is in the
	// epoch before it, has gone back in time and ends. A topic that isn't stored begins
	// where the origin says, or the error is ErrStale. With repeatable, an ID that this
	// history has already adds nothing: the receipt is that of the first message, marked
	// as a duplicate, or the error is push.CodeConflict if the content differs. An error
	// may mean that the message was stored all the same, except for push.CodeConflict and
	// ErrStale. A message that is stored but not replicated, as its publisher asked for,
	// has both a receipt and push.CodeNotReplicated.
	//
	// A message with an Op changes the keys of a state in the same step, as push.StateBroker
	// and Message have it; see the package documentation. A topic that is stored as another
	// kind than the store's rules say gives [WrongKind], from each call that is about it.
	Add(ctx context.Context, m *push.Message, repeatable bool, mark HighWater, origin Origin) (push.Receipt, error)
	// AddAll is Add for messages of different topics, in as few round trips as the store
	// allows. Each is a step of its own, and has its own outcome: an error of one says
	// nothing of the others. It sets the Receipt and Err of each; when the context ends,
	// of those too whose outcome isn't known yet. They all ask for a replica, or none does.
	AddAll(ctx context.Context, additions []*Addition)
	// Read returns the head of a topic and some of its messages: contiguous, oldest first.
	// A topic begins as in Add, but nothing is stored unless history was lost. The
	// caller doesn't change the messages.
	Read(ctx context.Context, topic string, q Query, mark HighWater, origin Origin) (push.Page, error)
	// State returns the head of a state and its keys, as push.StateBroker has them, read in
	// one atomic step. A topic begins as in Read. Nothing else is stored, and no key ends.
	State(ctx context.Context, topic string, mark HighWater, origin Origin) (push.Page, error)
	// Expire deletes keys of a state that are due, at most 100, as Add does before each
	// change. A topic begins as in Read.
	Expire(ctx context.Context, topic string, mark HighWater, origin Origin) (Expiry, error)
	// Renew has keys of a state stay for this time from now on, after it has done what
	// Expire does. A topic begins as in Read, and one that isn't stored has no keys.
	Renew(ctx context.Context, topic string, keys []string, ttl time.Duration, mark HighWater, origin Origin) (Renewal, error)
	// Heads returns where topics are, in their order; zero for one that isn't stored. It
	// changes nothing. At most checkBatch topics are asked for at once.
	Heads(ctx context.Context, topics []string) ([]Head, error)
	// Genesis returns the random text that origins are derived from. The store makes one
	// when it has none, and never replaces or expires it.
	Genesis(ctx context.Context) (string, error)
	// Health reports what is wrong with the store: nil if a write succeeds.
	Health(ctx context.Context) error
	// Store has the values that all instances share.
	broker.Store

	// Channel returns the name under which a topic's messages are notified. No two topics
	// share one.
	Channel(topic string) string
	// ProbeChannel returns a channel for the probes of one subscriber connection. It is
	// on the node of the given channel, which may be empty; the ID is unique to the
	// broker. No topic has this channel.
	ProbeChannel(channel, id string) string
	// Notify sends a payload to a channel and stores nothing.
	Notify(ctx context.Context, channel, payload string) error
	// Decode reads the payload of a notification on a topic's channel. It trusts nothing:
	// whatever it returns is a message that could have been published, at a position that
	// could exist. The message belongs to the caller.
	Decode(topic, payload string) (*push.Message, error)
	// Node names the node that notifies a channel. Channels of one node share a
	// subscriber connection. A store with a single node calls it "".
	Node(ctx context.Context, channel string) (string, error)
	// Subscriber makes a connection to the node of a channel. It may connect later; then
	// Receive reports what fails.
	Subscriber(ctx context.Context, channel string) (Subscriber, error)
	// Reload makes Node look up soon where channels are: something has moved.
	Reload(ctx context.Context)

	// Close waits for the calls that are under way. There are no new ones.
	Close(ctx context.Context) error
}

// ErrStale is the error of a call whose origin is derived from another genesis than the
// store has now.
var ErrStale = errors.New("broker: the genesis is another one")

// Query says which messages to read.
type Query struct {
	Newest bool            // the last ones; otherwise those after a position
	After  broker.Position // what follows it is read only if it is proven; otherwise Page.Gap says why not
	Limit  broker.Limit    // zero fields don't bound, except that Newest with no Messages reads only the head
}

// Head is where a topic is.
type Head struct {
	broker.Position
	// Due is when the next key of a state ends, in milliseconds by the store's clock: a
	// message's Time and its TTL. Zero if none does.
	Due int64
}

// Expiry is what [StorePort].Expire has left to do.
type Expiry struct {
	Head
	In time.Duration // from now until Due; zero if that has passed
}

// Renewal is what became of keys that were to be renewed.
type Renewal struct {
	broker.Position          // of the topic
	Gone            []string // those that aren't there
}

// Subscriber is one connection that receives notifications from one node.
//
// Receive is called by one goroutine at a time; the others may be called meanwhile.
type Subscriber interface {
	// Subscribe asks for channels. Each is confirmed by an EventSubscribed once
	// notifications arrive, even if it was subscribed to before. An error ends the
	// connection: Receive fails.
	Subscribe(ctx context.Context, channels ...string) error
	// Unsubscribe is confirmed by an EventUnsubscribed for each channel. The node may send
	// that unasked when a channel has moved to another node.
	Unsubscribe(ctx context.Context, channels ...string) error
	// Receive waits for the next event.
	Receive(ctx context.Context) (Event, error)
	// Close ends a Receive that is waiting.
	Close()
}

// Event is what a subscriber connection receives.
type Event struct {
	Kind    EventKind
	Channel string
	Payload string // of an EventMessage
}

// EventKind is the kind of an Event.
type EventKind uint8

// The kinds of events. EventOther stands for anything that needs no answer.
const (
	EventOther EventKind = iota
	EventMessage
	EventSubscribed
	EventUnsubscribed
)
