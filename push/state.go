package push

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
)

// TopicRule says how a broker treats the topics that a pattern matches; it is an option of
// brokers.
type TopicRule = broker.TopicRule

// StatePublisher changes the keys of state topics, which a [TopicRule] declares. The [Hub] is
// one, and so is each broker, for a backend that serves no browsers.
//
// A change is a message: Topic and Key say which value, Data and Encoding what it is. The
// promises are those of [Publisher]: each change has the next offset of its topic, a nil
// error says that it is stored and on its way, and a message ID makes a retry safe.
// Message.IfVersion and IfAbsent make a change that only holds for a key as it was; the
// error is CodeConflict with a [broker.VersionError] as its cause if the key is otherwise.
// After a failover to a replica that lagged, a change may be lost like any message: a
// condition is no lock. A topic that is a log is CodeWrongKind.
type StatePublisher interface {
	// Set sets a key to a value.
	Set(ctx context.Context, m Message) (Receipt, error)
	// Append adds text to the value of a key, which is text too, or to nothing.
	Append(ctx context.Context, m Message) (Receipt, error)
	// Delete deletes a key. If it isn't there, nothing happens: the receipt has the
	// topic's newest position, and Duplicate.
	Delete(ctx context.Context, m Message) (Receipt, error)
	// Touch renews the time to live of a key and changes nothing else, so that no client is
	// told. A key that isn't there is CodeConflict.
	Touch(ctx context.Context, m Message) (Receipt, error)
}

// StateBroker is a [Broker] that has state topics. A change is published: its Publish does
// what Message.Op says.
type StateBroker interface {
	Broker
	StatePublisher
	// Rule returns how the broker treats a topic, with all its fields filled. It is shared:
	// nobody changes it.
	Rule(topic string) *broker.TopicRule
	// State reads the keys of a state, and its head, at one moment: each is a message with
	// the whole value as its data, and the epoch and offset of its last change, which is 0
	// if that was in another epoch. They are in the order of these changes, and those of
	// offset 0 first. Keys whose time is over aren't there.
	State(ctx context.Context, topic string) (Page, error)
	// Renew is Touch for many keys: each that is there stays for this time from now on. It
	// returns those that aren't.
	Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) (gone []string, err error)
}

// Set sets a key of a state topic to a value; see [StatePublisher].
func (h *Hub) Set(ctx context.Context, m Message) (Receipt, error) {
	return h.change(ctx, broker.OpSet, m)
}

// Append adds text to the value of a key of a state topic; see [StatePublisher].
func (h *Hub) Append(ctx context.Context, m Message) (Receipt, error) {
	return h.change(ctx, broker.OpAppend, m)
}

// Delete deletes a key of a state topic; see [StatePublisher].
func (h *Hub) Delete(ctx context.Context, m Message) (Receipt, error) {
	return h.change(ctx, broker.OpDelete, m)
}

// Touch renews the time to live of a key of a state topic; see [StatePublisher].
func (h *Hub) Touch(ctx context.Context, m Message) (Receipt, error) {
	return h.change(ctx, broker.OpTouch, m)
}

func (h *Hub) change(ctx context.Context, op broker.Op, m Message) (Receipt, error) {
	m.Op = op
	return h.Publish(ctx, m)
}

// Update changes a key of a state topic by what it is. change gets the key as a message, or
// nil if there is none, and returns what it is to be: its Data, Encoding and TTL. If another
// change comes between, it is called again. Its error is returned as it is, and nothing is
// changed then. Each try reads the whole state.
func (h *Hub) Update(ctx context.Context, topic, key string, change func(old *Message) (Message, error)) (Receipt, error) {
	for {
		old, err := h.key(ctx, topic, key)
		if err != nil {
			return Receipt{}, err
		}
		m, err := change(old)
		if err != nil {
			return Receipt{}, err
		}
		m.Topic, m.Key, m.IfAbsent = topic, key, old == nil
		if old != nil {
			m.IfVersion = old.Version()
		}
		receipt, err := h.Set(ctx, m)
		if _, beaten := errors.AsType[*broker.VersionError](err); !beaten {
			return receipt, err
		}
	}
}

// key returns a key of a state topic; nil if it isn't there.
func (h *Hub) key(ctx context.Context, topic, key string) (*Message, error) {
	entries, _, err := h.State(ctx, topic)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Key == key {
			return e, nil
		}
	}
	return nil, nil
}

// State returns the keys of a state topic as they are at this moment, oldest change first,
// and the cursor from which a client gets what changes after it: a page that is rendered
// from them can follow the topic from exactly here. Each is a message with the whole value
// as its data. A topic that is a log is CodeWrongKind.
func (h *Hub) State(ctx context.Context, topic string) ([]*Message, string, error) {
	if err := broker.CheckTopic(topic); err != nil {
		return nil, "", AsError(err)
	}
	return h.stateOf(ctx, topic)
}

func (h *Hub) stateOf(ctx context.Context, topic string) ([]*Message, string, error) {
	states, ok := h.broker.(StateBroker)
	if !ok {
		return nil, "", errNoStates
	}
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	page, err := states.State(ctx, topic)
	if err != nil {
		return nil, "", err
	}
	return page.Messages, cursor.Format(topic, page.Head), nil
}

var errNoStates = NewError(CodeWrongKind, "the broker has no states", nil)
