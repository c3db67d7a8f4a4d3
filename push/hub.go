package push

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/internal/tasks"
)

// Hub connects a broker and transports in one process. It publishes messages, and decides
// with the application who may follow what. Clients reach it through transports, which use
// its other face, in package push/session. All methods may be called by any number of
// goroutines.
type Hub struct {
	// static
	broker   Broker
	presence []broker.Pattern
	options  Options
	bus      *bus
	revoker  *revoker

	work      tasks.Tasks
	streams   streams
	users     *users
	published atomic.Uint64
	check     check

	mu       sync.Mutex // guards the rest
	sessions sessions   // nil until a transport asks for them
	draining bool
}

var (
	_ Publisher      = (*Hub)(nil)
	_ StatePublisher = (*Hub)(nil)
)

// sessions are the clients of a hub. Package push/session implements it.
type sessions interface {
	// Enforce ends all sessions and subscriptions that were revoked.
	Enforce()
	// End ends the session of this ID, if it is here, for this reason.
	End(id uuid.UUID, reason *Error)
	// Drain refuses new clients from now on. The function that it returns disconnects the
	// others.
	Drain() (disconnect func())
	// Cut ends all that are left.
	Cut()
	// Connections counts those of a user.
	Connections(user string) int
	// SendBack asks the clients of a user to come back, or that of the session of this ID.
	SendBack(user string, id uuid.UUID)
	// Stats adds the figures of sessions.
	Stats(s *Stats)
	// Health adds how they are.
	Health(h *Health)
}

// New makes a hub on a broker. The hub owns the broker from now on: Shutdown
// closes it. Without a broker New panics.
func New(broker Broker, options Options) *Hub {
	if broker == nil {
		panic("push.New: a hub needs a Broker; membroker.New() is one for a single process")
	}
	h := &Hub{broker: broker, options: options.withDefaults(), bus: newBus(broker)}
	h.presence = presenceOf(broker, options.Presence)
	h.revoker = newRevoker(h)
	h.users = newUsers(h)
	return h
}

// Publish stores a message, and delivers it to every client that follows its topic, on
// every instance; see [Publisher]. If the context has no deadline, Publish gives up after
// Options.BrokerTimeout.
func (h *Hub) Publish(ctx context.Context, m Message) (Receipt, error) {
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	receipt, err := h.publish(ctx, m)
	if err == nil {
		h.published.Add(1)
	}
	return receipt, err
}

func (h *Hub) publish(ctx context.Context, m Message) (Receipt, error) {
	if h.options.Tracer != nil {
		return h.publishTraced(ctx, m)
	}
	return h.broker.Publish(ctx, m)
}

// PublishJSON publishes v as JSON: clients get the value itself, not a string that they would
// have to parse. It is Publish with what [json.Marshal] makes of v, encoded as
// [EncodingJSON]. A value that can't be marshalled is CodeBadRequest, with Marshal's error
// as the cause; nothing is published then.
func (h *Hub) PublishJSON(ctx context.Context, topic string, v any) (Receipt, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return Receipt{}, NewError(CodeBadRequest, "the value can't be encoded as JSON", err)
	}
	return h.Publish(ctx, Message{Topic: topic, Data: data, Encoding: EncodingJSON})
}

// Cursor returns the newest positions of topics as one cursor. A page that was rendered
// from the state of this moment can follow the topics from exactly here: read the cursor
// first, then the state. There are at most 50 topics; for more the error is
// CodeLimitReached.
func (h *Hub) Cursor(ctx context.Context, topics ...string) (string, error) {
	if len(topics) > cursor.MaxTopics {
		return "", NewError(CodeLimitReached, "too many topics for one cursor", nil)
	}
	cursors := make([]string, 0, len(topics))
	for i, topic := range topics {
		if slices.Contains(topics[:i], topic) {
			continue // named twice, its position would be unknown
		}
		_, at, err := h.recent(ctx, topic, 0)
		if err != nil {
			return "", err
		}
		cursors = append(cursors, at)
	}
	return cursor.Join(cursors), nil
}

// Recent returns the last n messages of a topic that history still has, oldest first, and
// the cursor that continues right after them. A topic that is a state is CodeWrongKind: it
// has keys, which [Hub.State] returns, and a history of changes alone says little.
func (h *Hub) Recent(ctx context.Context, topic string, n int) ([]*Message, string, error) {
	if states, ok := h.broker.(StateBroker); ok && states.Rule(topic).State {
		return nil, "", errRecentState
	}
	return h.recent(ctx, topic, n)
}

var errRecentState = NewError(CodeWrongKind, "the topic is a state: it has keys, and no last messages", nil)

func (h *Hub) recent(ctx context.Context, topic string, n int) ([]*Message, string, error) {
	if err := broker.CheckTopic(topic); err != nil {
		return nil, "", AsError(err)
	}
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	page, err := h.broker.Recent(ctx, topic, broker.Limit{Messages: n})
	if err != nil {
		return nil, "", err
	}
	return page.Messages, cursor.Format(topic, page.Head), nil
}

// deadline returns a context that ends after Options.BrokerTimeout, if it has no
// deadline yet and the broker may need one.
func (h *Hub) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	if _, ok := h.broker.(broker.NonBlocking); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, h.options.BrokerTimeout)
}
