package push

import (
	"context"
	"log/slog"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
)

// Hub joins a broker and transports in one process: it knows who follows what,
// and who may. All methods may be called by any number of goroutines.
type Hub struct {
	// static
	broker  Broker
	options Options
	public  bool          // Options.Authorize is Anyone
	life    time.Duration // of a cursor that only its age proves

	work    tasks
	stats   counters
	control *control
	memory  memory
	windows atomic.Int64 // bytes of all feeds' windows
	wheel   wheel
	reviews reviews
	gate    gate
	shards  []shard
	opened  atomic.Uint64   // sessions so far, to spread them over the shards
	servers sync.Map        // weak pointers to those whose Shutdown drains the hub
	cut     context.Context // ends when Shutdown no longer waits for farewells
	cutRest context.CancelFunc

	warnings, panics notices // in the log

	mu       sync.Mutex // guards the rest
	feeds    map[string]*feed
	sessions map[sessionName]*Session
	draining bool
}

var _ Publisher = (*Hub)(nil)

// New makes a hub on a broker. The hub owns the broker from now on: Shutdown
// closes it.
func New(broker Broker, options Options) *Hub {
	h := &Hub{
		broker:   broker,
		options:  options.withDefaults(),
		public:   reflect.ValueOf(options.Authorize).Pointer() == reflect.ValueOf(Anyone).Pointer(),
		shards:   make([]shard, runtime.GOMAXPROCS(0)),
		feeds:    map[string]*feed{},
		sessions: map[sessionName]*Session{},
	}
	h.cut, h.cutRest = context.WithCancel(context.Background())
	h.warnings.logger, h.warnings.level = h.options.Logger, slog.LevelWarn
	h.panics.logger, h.panics.level = h.options.Logger, slog.LevelError
	h.gate.init(options.Limits)
	h.memory.init(h, h.gate.limits.Memory)
	h.life = cursorLife(broker)
	h.wheel.born = time.Now()
	h.control = newControl(h, broker)
	for i := range h.shards {
		h.shards[i].hub = h
		h.shards[i].changed.L = &h.shards[i].mu
	}
	return h
}

// shard gives the shard of a new session.
func (h *Hub) shard() *shard {
	return &h.shards[h.opened.Add(1)%uint64(len(h.shards))]
}

// Publish gives a message to the broker, which stores it and sends it to every
// subscriber on every instance; see [Publisher]. Without a deadline of the
// context it gives up after Options.BrokerTimeout.
func (h *Hub) Publish(ctx context.Context, m Message) (Receipt, error) {
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	receipt, err := h.broker.Publish(ctx, m)
	if err == nil {
		h.stats.published.Add(1)
	}
	return receipt, err
}

// Cursor tells where topics are now, as a cursor: a page that was rendered from
// the state of this moment (read the cursor first, then the state) follows the
// topics from exactly here. At most MaxCursorTopics topics.
func (h *Hub) Cursor(ctx context.Context, topics ...string) (string, error) {
	if len(topics) > cursor.MaxTopics {
		return "", Errorf(CodeLimitReached, "too many topics for one cursor", nil)
	}
	cursors := make([]string, len(topics))
	for i, topic := range topics {
		_, cursor, err := h.Recent(ctx, topic, 0)
		if err != nil {
			return "", err
		}
		cursors[i] = cursor
	}
	return cursor.Join(cursors), nil
}

// Recent gives the last n messages of a topic, oldest first, as far as history
// has them, and the cursor that goes on right after them.
func (h *Hub) Recent(ctx context.Context, topic string, n int) ([]*Message, string, error) {
	if err := CheckTopic(topic); err != nil {
		return nil, "", err
	}
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	page, err := h.broker.Recent(ctx, topic, n)
	if err != nil {
		return nil, "", err
	}
	return page.Messages, cursor.Format(topic, page.Head), nil
}

// Deliver hands a message to the sessions of some formats on this instance that
// follow its topic, past the broker: it is not stored, has no position, and
// nobody who isn't connected now will get it. It is how a transport is a
// Publisher.
func (h *Hub) Deliver(m Message, formats ...Format) (Receipt, error) {
	if err := m.Prepare(h.options.Queue.Bytes); err != nil {
		return Receipt{}, err
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
	return Receipt{ID: m.ID}, nil
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

// follow counts one more follower of a topic, and opens its feed for the first, if that
// session may bring one more into being.
func (h *Hub) follow(ctx context.Context, s *Session, topic string) (*feed, error) {
	h.mu.Lock()
	f := h.feeds[topic]
	if f == nil {
		if err := tooFast(h.gate.topics.take(s, h.wheel.now()), "too many new topics in too short a time", "Topics"); err != nil {
			h.mu.Unlock()
			return nil, err
		}
		f = &feed{hub: h, topic: strings.Clone(topic), opened: make(chan struct{})} // the text it came in isn't kept
		h.feeds[f.topic] = f
		h.work.Go(f.open)
	}
	f.followers++
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
		return nil, AsError(ctx.Err())
	}
}

// atOnce reports whether following a topic takes neither a hook nor the broker.
func (h *Hub) atOnce(topic string) bool {
	if !h.public {
		return false
	}
	h.mu.Lock()
	f := h.feeds[topic]
	h.mu.Unlock()
	if f == nil {
		return false
	}
	select {
	case <-f.opened:
		return true
	default:
		return false
	}
}

// unfollow counts one follower less, and closes the feed after the last. A new
// follower then opens a feed of its own, so that the two can't mix.
func (h *Hub) unfollow(f *feed) {
	h.mu.Lock()
	f.followers--
	last := f.followers == 0
	if h.feeds[f.topic] == f && (last || f.failed()) {
		delete(h.feeds, f.topic)
	}
	h.mu.Unlock()
	if !last {
		return
	}
	select {
	case <-f.opened:
		if f.err == nil {
			h.broker.Unsubscribe(f.topic, f)
		}
	default:
		h.work.Go(func() {
			<-f.opened
			if f.err == nil {
				h.broker.Unsubscribe(f.topic, f)
			}
		})
	}
}

// failed reports whether the broker refused the feed.
func (f *feed) failed() bool {
	select {
	case <-f.opened:
		return f.err != nil
	default:
		return false
	}
}

// leave ends a subscription.
func (h *Hub) leave(sub *subscription) {
	sub.feed.detach(sub)
	h.unfollow(sub.feed)
}

// enter counts a client in that has no session yet, unless the hub is draining:
// Shutdown waits for it.
func (h *Hub) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return ErrDraining
	}
	h.work.add()
	return nil
}

// add counts a session in, unless the hub is draining.
func (h *Hub) add(s *Session) error {
	name := nameOf(s.id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return ErrDraining
	}
	h.sessions[name] = s
	h.work.add()
	return nil
}

// remove counts an ended session out.
func (h *Hub) remove(s *Session) {
	name := nameOf(s.id)
	h.mu.Lock()
	delete(h.sessions, name)
	h.mu.Unlock()
	h.reviews.remove(s)
	h.stats.countClosed(s.reason)
	h.work.done()
}

// recovered counts and logs a panic of the application's hooks.
func (h *Hub) recovered(p any) {
	h.stats.panics.Add(1)
	h.panics.log("push: panic in a hook", "panic", shortened(p), "stack", string(debug.Stack()))
}
