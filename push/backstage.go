package push

import (
	"context"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/internal/inside"
	"github.com/tidewire/tidewire/push/internal/tasks"
)

// backstage is the hub as package push/session sees it.
type backstage struct{ h *Hub }

func init() { //nolint:gochecknoinits // package push/session can't be imported here: it imports this one
	inside.Attach = func(hub any, open func(backstage any) any) any {
		return hub.(*Hub).attach(func(b backstage) sessions { return open(b).(sessions) })
	}
}

// attach returns the hub's sessions, which open makes if there are none yet.
func (h *Hub) attach(open func(b backstage) sessions) sessions {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions == nil {
		h.sessions = open(backstage{h})
		if h.draining {
			h.sessions.Drain()
		}
	}
	return h.sessions
}

// attached returns the hub's sessions, or nil.
func (h *Hub) attached() sessions {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions
}

func (b backstage) Broker() Broker      { return b.h.broker }
func (b backstage) Options() Options    { return b.h.options }
func (b backstage) Tasks() *tasks.Tasks { return &b.h.work }
func (b backstage) Drain()              { b.h.Drain() }
func (b backstage) Store() broker.Store { return b.h.revoker.store }

func (b backstage) Deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return b.h.deadline(ctx)
}

func (b backstage) Permits(ctx context.Context, a Access) error {
	return b.h.revoker.permits(ctx, a)
}

func (b backstage) Admits(ctx context.Context, id *Identity) error {
	return b.h.revoker.admits(ctx, id)
}

func (b backstage) AnyRevoked() bool { return b.h.revoker.table.Any() }

func (b backstage) RevokedUser(id *Identity) *Error {
	return b.h.revoker.revokedUser(id)
}

func (b backstage) RevokedTopic(user, topic string) *Error {
	return b.h.revoker.revokedTopic(user, topic)
}

func (b backstage) Tell(ctx context.Context, event string, data []byte) error {
	return b.h.bus.tell(ctx, event, data)
}

func (b backstage) PublishReserved(ctx context.Context, m Message) (Receipt, error) {
	m.reserved = true
	return b.h.broker.Publish(ctx, m)
}

func (b backstage) On(event string, do func(data []byte)) { b.h.bus.on(event, do) }
