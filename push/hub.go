package push

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/internal/tasks"
)

// Hub joins a broker and transports in one process: it publishes, and has who may follow
// what. Clients come to it by transports, for which package push/session has its other
// face. All methods may be called by any number of goroutines.
type Hub struct {
	// static
	broker  Broker
	options Options
	control *control

	work      tasks.Tasks
	published atomic.Uint64

	mu       sync.Mutex // guards the rest
	sessions sessions   // nil until a transport asks for them
	draining bool
}

var _ Publisher = (*Hub)(nil)

// sessions are the clients of a hub, which package push/session has.
type sessions interface {
	// Enforce ends what was revoked.
	Enforce()
	// End ends the session of this ID, if it is here, for this reason.
	End(id uuid.UUID, reason *Error)
	// Drain refuses new clients from now on. What it returns sends away those that are
	// connected.
	Drain() (sendAway func())
	// Cut ends all that are left.
	Cut()
	// Stats adds the figures of sessions.
	Stats(s *Stats)
}

// New makes a hub on a broker. The hub owns the broker from now on: Shutdown
// closes it.
func New(broker Broker, options Options) *Hub {
	h := &Hub{broker: broker, options: options.withDefaults()}
	h.control = newControl(h, broker)
	return h
}

// Publish gives a message to the broker, which stores it and sends it to every
// subscriber on every instance; see [Publisher]. Without a deadline of the
// context it gives up after Options.BrokerTimeout.
func (h *Hub) Publish(ctx context.Context, m Message) (Receipt, error) {
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	receipt, err := h.broker.Publish(ctx, m)
	if err == nil {
		h.published.Add(1)
	}
	return receipt, err
}

// Cursor tells where topics are now, as a cursor: a page that was rendered from
// the state of this moment (read the cursor first, then the state) follows the
// topics from exactly here. At most cursor.MaxTopics topics.
func (h *Hub) Cursor(ctx context.Context, topics ...string) (string, error) {
	if len(topics) > cursor.MaxTopics {
		return "", NewError(CodeLimitReached, "too many topics for one cursor", nil)
	}
	cursors := make([]string, len(topics))
	for i, topic := range topics {
		_, at, err := h.Recent(ctx, topic, 0)
		if err != nil {
			return "", err
		}
		cursors[i] = at
	}
	return cursor.Join(cursors), nil
}

// Recent gives the last n messages of a topic, oldest first, as far as history
// has them, and the cursor that goes on right after them.
func (h *Hub) Recent(ctx context.Context, topic string, n int) ([]*Message, string, error) {
	if err := broker.CheckTopic(topic); err != nil {
		return nil, "", AsError(err)
	}
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	page, err := h.broker.Recent(ctx, topic, n)
	if err != nil {
		return nil, "", err
	}
	return page.Messages, cursor.Format(topic, page.Head), nil
}

// deadline gives a context that ends after Options.BrokerTimeout, if it has no
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
