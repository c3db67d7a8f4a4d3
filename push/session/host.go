package session

import (
	"context"
	"log/slog"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/inside"
	"github.com/tidewire/tidewire/push/internal/tasks"
	"github.com/tidewire/tidewire/push/internal/wheel"
)

// Host is the face of a hub that transports see: it admits clients, opens their sessions,
// and takes what they send. All methods may be called by any number of goroutines.
type Host struct {
	// static
	hub     hub
	broker  push.Broker
	states  push.StateBroker // the same; nil if it has no states
	options push.Options
	queue   broker.Limit  // of what waits for one client
	replay  broker.Limit  // of what one client gets of one topic when it comes back
	public  bool          // Options.Authorize is Anyone
	life    time.Duration // of a cursor that only its age proves
	born    time.Time
	local   bool // a message's Time is when it came here

	work    *tasks.Tasks
	stats   counters
	traces  traces
	memory  memory
	windows atomic.Int64          // bytes of all feeds' windows
	mirrors atomic.Int64          // bytes of all feeds' mirrors
	wheel   *wheel.Wheel[Session] // heartbeats and deadlines; its clock is the hub's
	reviews reviews
	limiter limiter
	present *presence // nil if no topic has one
	shards  shards
	servers sync.Map        // weak pointers to those whose Shutdown drains the hub
	cut     context.Context // ends when Shutdown no longer waits for final frames
	cutRest context.CancelFunc

	warnings, panics throttledLog // in the log
	health           health
	hindered         sync.Map // routes and keys of Hindered, which are few
	surveys          surveys

	mu        sync.Mutex // guards the rest
	feeds     map[string]*feed
	lingering lingering
	sessions  map[sessionName]*Session
	followers int // of all feeds
	// transports are those that have had a session.
	transports []transportFigures
	draining   bool
}

// hub is what a Host needs of its Hub.
type hub interface {
	Broker() push.Broker
	Options() push.Options // with defaults
	Tasks() *tasks.Tasks
	Drain()
	// Store is nil if the broker is none.
	Store() broker.Store
	// Deadline gives a context that ends after Options.BrokerTimeout, if it has no
	// deadline yet and the broker may need one.
	Deadline(ctx context.Context) (context.Context, context.CancelFunc)
	// Permits and Admits refuse what was revoked. They wait until it is known what was.
	Permits(ctx context.Context, a push.Access) error
	Admits(ctx context.Context, id *push.Identity) error
	// AnyRevoked reports whether RevokedUser and RevokedTopic can give anything but nil.
	AnyRevoked() bool
	RevokedUser(id *push.Identity) *push.Error
	RevokedTopic(user, topic string) *push.Error
	// Tell sends an event to all instances, this one too, where what On has registered is
	// called, in order; it must return soon.
	Tell(ctx context.Context, event string, data []byte) error
	// PublishReserved publishes to a topic with a reserved name.
	PublishReserved(ctx context.Context, m push.Message) (push.Receipt, error)
	On(event string, do func(data []byte))
}

// Of gives the host of a hub, of which there is one.
func Of(h *push.Hub) *Host {
	var made *Host
	open := func(b any) any {
		made = newHost(b.(hub))
		return sessionsOf{made}
	}
	host := inside.Attach(h, open).(sessionsOf).host
	if made != nil { // logged here, since the hub is locked meanwhile
		made.warnOfOrigins()
	}
	return host
}

// sessionsOf is a host as its hub sees it.
type sessionsOf struct{ host *Host }

func (s sessionsOf) Enforce()                             { s.host.enforce() }
func (s sessionsOf) End(id uuid.UUID, reason *push.Error) { s.host.revoke(id, reason) }
func (s sessionsOf) Drain() (disconnect func())           { return s.host.drain() }
func (s sessionsOf) Cut()                                 { s.host.abort() }
func (s sessionsOf) Stats(stats *push.Stats)              { s.host.addTo(stats) }
func (s sessionsOf) Health(health *push.Health)           { s.host.addHealth(health) }
func (s sessionsOf) Connections(user string) int          { return s.host.limiter.slots.connections(user) }
func (s sessionsOf) SendBack(user string, id uuid.UUID)   { s.host.sendBack(user, id) }

func newHost(h hub) *Host {
	options := h.Options()
	host := &Host{
		hub:      h,
		broker:   h.Broker(),
		options:  options,
		queue:    broker.Limit{Messages: options.QueueMessages, Bytes: options.QueueBytes},
		replay:   broker.Limit{Messages: options.ReplayMessages, Bytes: options.ReplayBytes},
		public:   reflect.ValueOf(options.Authorize).Pointer() == reflect.ValueOf(push.Anyone).Pointer(),
		work:     h.Tasks(),
		feeds:    map[string]*feed{},
		sessions: map[sessionName]*Session{},
	}
	host.states, _ = host.broker.(push.StateBroker)
	host.born = time.Now()
	_, host.local = host.broker.(broker.NonBlocking)
	host.cut, host.cutRest = context.WithCancel(context.Background())
	host.warnings.logger, host.warnings.level = options.Logger, slog.LevelWarn
	host.panics.logger, host.panics.level = options.Logger, slog.LevelError
	host.limiter.init(options.Limits)
	host.memory.init(host, host.limiter.limits.Memory)
	host.life = cursorLife(host.broker)
	host.wheel = wheel.New(func(s *Session) *wheel.Timing { return &s.timing }, (*Session).onTimer)
	host.shards.init(host)
	if len(options.Presence) > 0 {
		host.present = newPresence(host)
	}
	h.On(refreshEvent, host.onRefresh)
	return host
}

// Deliver hands a message to the sessions of some formats on this instance that
// follow its topic, past the broker: it is not stored, has no position, and
// nobody who isn't connected now will get it. It is how a transport is a
// Publisher.
func (h *Host) Deliver(m push.Message, formats ...Format) (push.Receipt, error) {
	if err := m.Prepare(h.options.QueueBytes); err != nil {
		return push.Receipt{}, err
	}
	if h.isState(m.Topic) {
		return push.Receipt{}, push.NewError(push.CodeWrongKind, "a state is changed through its broker only", nil)
	}
	m.Position, m.PreviousTag = broker.Position{}, 0
	h.mu.Lock()
	f := h.feeds[m.Topic]
	h.mu.Unlock()
	if f != nil {
		for _, format := range formats {
			f.deliverTo(format, &m)
		}
	}
	return push.Receipt{ID: m.ID}, nil
}

// isState reports whether a topic is a state by the broker's rules.
func (h *Host) isState(topic string) bool { return h.states != nil && h.states.Rule(topic).State }

// follow counts one more follower of a topic, and opens its feed for the first, if that
// session may bring one more into being.
func (h *Host) follow(ctx context.Context, s *Session, topic string) (*feed, error) {
	h.mu.Lock()
	f := h.feeds[topic]
	if f == nil {
		if err := tooFast(h.limiter.topics.take(s, h.wheel.Now()), "too many new topics in too short a time", "Topics"); err != nil {
			h.mu.Unlock()
			return nil, err
		}
		f = &feed{hub: h, topic: strings.Clone(topic), opened: make(chan struct{})} // the text it came in isn't kept
		if h.isState(topic) {
			f.mirror = newMirror(h.states.Rule(topic).Interval)
		}
		h.feeds[f.topic] = f
		h.work.Go(f.open)
	}
	f.followers++
	h.followers++
	h.stopLinger(f)
	h.mu.Unlock()
	select {
	case <-f.opened:
		if f.err != nil {
			h.unfollow(f)
			return nil, f.err
		}
		return f, nil
	case <-ctx.Done():
		h.unfollow(f)
		return nil, push.AsError(ctx.Err())
	}
}

// atOnce reports whether following a topic takes neither a hook nor the broker.
func (h *Host) atOnce(topic string) bool {
	if !h.public {
		return false
	}
	h.mu.Lock()
	f := h.feeds[topic]
	h.mu.Unlock()
	if f == nil {
		return false
	}
	return f.isOpen()
}

// hasAtHand reports whether what follows a place in a topic takes no read of history: the
// topic's feed is open, and at this place or with it in the window.
func (h *Host) hasAtHand(topic string, place broker.Position) bool {
	if place.IsZero() {
		return false
	}
	h.mu.Lock()
	f := h.feeds[topic]
	h.mu.Unlock()
	return f != nil && f.isOpen() && f.hasAtHand(place)
}

// unfollow counts one follower less. After the last the feed lingers if it is open. A feed
// that is closed or failed is never followed again: a new follower opens one of its own, so
// that the two can't mix.
func (h *Host) unfollow(f *feed) {
	h.mu.Lock()
	f.followers--
	h.followers--
	open := f.isOpen()
	var unused *feed
	switch {
	case open && f.err != nil:
		h.forgetFeed(f)
	case f.followers > 0:
	case open && !h.draining:
		unused = h.linger(f)
	default:
		h.forgetFeed(f)
		unused = f
	}
	h.mu.Unlock()
	switch {
	case unused == nil:
	case open:
		unused.close()
	default:
		h.work.Go(unused.close)
	}
}

// leave ends a subscription.
func (h *Host) leave(sub *subscription) {
	sub.feed.detach(sub)
	sub.leave()
	h.unfollow(sub.feed)
}

// enter counts a client in that has no session yet, unless the hub is draining:
// Shutdown waits for it.
func (h *Host) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return push.CodeDraining
	}
	h.work.Add()
	return nil
}

// add counts a session of a transport in, unless the hub is draining.
func (h *Host) add(s *Session, transport string) error {
	name := nameOf(s.id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return push.CodeDraining
	}
	h.sessions[name] = s
	s.transport = h.countOpened(transport)
	h.work.Add()
	return nil
}

// remove counts an ended session out.
func (h *Host) remove(s *Session) {
	name := nameOf(s.id)
	s.mu.Lock()
	written := s.written
	s.mu.Unlock()
	h.mu.Lock()
	delete(h.sessions, name)
	h.countEnded(s, written)
	h.mu.Unlock()
	h.reviews.remove(s)
	h.stats.countClosed(s.reason)
	s.disconnected()
	h.work.Done()
}

// recovered counts and logs a panic of the application's hooks.
func (h *Host) recovered(p any) {
	h.stats.panics.Add(1)
	h.panics.log("push: panic in a hook", "panic", shortened(p), "stack", string(debug.Stack()))
}
