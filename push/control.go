package push

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
)

// control is how hubs of one system talk to each other: over a topic of their own,
// which gives order and the repair of what is lost as any topic does, and through
// the broker's Store, for those who weren't there. It begins with the first client.
//
// It is the receiver of that topic. Until it has read what is revoked, nobody is let
// in whom that may concern.
type control struct {
	// static
	hub   *Hub
	store broker.Store // nil if the broker is none; then there is nothing to know

	table revocationTable
	known atomic.Bool // all that is stored was read, and nothing was missed since

	mu         sync.Mutex    // guards the rest
	subscribed bool          // to the topic
	missed     int           // counts the gaps
	learning   bool          // a goroutine runs learn
	tried      chan struct{} // closed at the end of the try that is under way
	enforcing  bool          // a goroutine runs enforceAll
	again      bool          // and must do so once more
	stopped    chan struct{} // closed by stop

	others map[string]func(data []byte) // what else hubs tell each other, by event
}

const controlTopic = broker.ReservedTopicPrefix + "control"

func newControl(h *Hub, b Broker) *control {
	c := &control{hub: h, tried: make(chan struct{}), stopped: make(chan struct{}), others: map[string]func([]byte){}}
	c.store, _ = b.(broker.Store)
	return c
}

// ready returns nil when all that is revoked is known here, and an error if that can't
// be read now.
func (c *control) ready(ctx context.Context) error {
	if c.store == nil || c.known.Load() {
		return nil
	}
	c.mu.Lock()
	c.startLearning()
	tried := c.tried
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.hub.options.BrokerTimeout)
	defer cancel()
	select {
	case <-tried:
	case <-ctx.Done():
	case <-c.stopped:
	}
	if !c.known.Load() {
		return errNotReady
	}
	return nil
}

var errNotReady = NewError(CodeUnavailable, "what was revoked can't be read now", nil)

// permits refuses what was revoked.
func (c *control) permits(ctx context.Context, a Access) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	switch {
	case c.table.revokesUser(&a.Identity):
		return errRevoked
	case c.table.revokesTopic(a.Identity.User, a.Topic):
		return errTopicRevoked
	}
	return nil
}

// admits refuses a user who was revoked.
func (c *control) admits(ctx context.Context, id *Identity) error {
	if id.User == "" {
		return nil
	}
	if err := c.ready(ctx); err != nil {
		return err
	}
	if c.table.revokesUser(id) {
		return errRevoked
	}
	return nil
}

// decide stores a record, holds to it, and tells the others.
func (c *control) decide(ctx context.Context, d revocationRecord, lasts time.Duration) error {
	if c.store == nil {
		return NewError(CodeUnsupported, "the broker can't store what is revoked", nil)
	}
	ctx, cancel := c.hub.deadline(ctx)
	defer cancel()
	if err := c.ready(ctx); err != nil {
		return err
	}
	for range maxDecisions {
		at, ok := c.table.next(d.subject, time.Now())
		if !ok {
			return errTooManyRevocations
		}
		d.At, d.For, d.until = at, lasts.Milliseconds(), time.Now().Add(lasts)
		value, there, err := c.put(ctx, d, lasts)
		if err != nil {
			return err
		}
		if there == nil || d.Session != uuid.Nil { // a session ends once, whoever says so
			c.table.put(d) // that of a session too, lest the store loses it
			if err := c.hold(d); err != nil {
				return err
			}
			c.enforce()
			return c.tell(ctx, revocationEvent, value)
		}
		// Somebody has decided about the same, and it wasn't heard of here. The later call
		// is to hold.
		if err := c.learnOf(*there); err != nil {
			return AsError(err)
		}
	}
	return errManyDecide
}

// maxDecisions is how often a decision is tried that others forestall.
const maxDecisions = 10

var (
	errTooManyRevocations = NewError(CodeLimitReached, "too many revocations", nil)
	errManyDecide         = NewError(CodeUnavailable, "many decide about the same at the same time", nil)
)

// put stores a record, unless one is there that is as new: that is then given.
func (c *control) put(ctx context.Context, d revocationRecord, lasts time.Duration) (value []byte, there *broker.Stored, err error) {
	key, value, err := d.text()
	if err != nil {
		return nil, nil, AsError(err)
	}
	there, err = c.store.Put(ctx, revocationSet, key, broker.Stored{Value: value, Version: d.version(), TTL: lasts})
	return value, there, err
}

// hold notes what is decided. The end of a session is done with at once: the session is
// here, or none of this instance's business.
func (c *control) hold(d revocationRecord) error {
	if d.Session == uuid.Nil {
		if !c.table.put(d) {
			return errTooManyRevocations
		}
		return nil
	}
	if s := c.hub.attached(); s != nil {
		s.End(d.Session, errRevoked)
	}
	return nil
}

// learnOf takes a record from the store.
func (c *control) learnOf(v broker.Stored) error {
	d, err := parseStored(v)
	if err != nil {
		return err
	}
	return c.hold(d)
}

// tell sends something to all instances, this one too.
func (c *control) tell(ctx context.Context, event string, data []byte) error {
	_, err := c.hub.broker.Publish(ctx, Message{Topic: controlTopic, Event: event, Data: data, reserved: true})
	return err
}

// Receive takes what a hub has told; see [Receiver].
func (c *control) Receive(m *Message) {
	switch m.Event {
	case revocationEvent:
		d, err := parseDecree(m.Data)
		if err != nil {
			c.hub.options.Logger.Error("push: a revocation can't be read", "error", err)
			return
		}
		if err := c.hold(d); err != nil {
			c.learnAnew() // and meanwhile nobody is let in whom it may concern
			return
		}
		c.enforceSoon()
	case putBackEvent:
		c.learnAnew()
	default:
		c.mu.Lock()
		do := c.others[m.Event]
		c.mu.Unlock()
		if do != nil {
			do(m.Data)
		}
	}
}

// on has a function called for events of another kind.
func (c *control) on(event string, do func(data []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others[event] = do
}

func (c *control) subscribe(ctx context.Context) error {
	c.mu.Lock()
	subscribed := c.subscribed
	c.mu.Unlock()
	if subscribed {
		return nil
	}
	if _, err := c.hub.broker.Subscribe(ctx, controlTopic, c); err != nil {
		return err
	}
	c.mu.Lock()
	c.subscribed = !c.isStopped()
	subscribed = c.subscribed
	c.mu.Unlock()
	if !subscribed {
		c.hub.broker.Unsubscribe(controlTopic, c)
	}
	return nil
}

// stop ends the following. The hub's tasks are waited for afterwards.
func (c *control) stop() {
	c.mu.Lock()
	if !c.isStopped() {
		close(c.stopped)
	}
	subscribed := c.subscribed
	c.subscribed = false
	c.mu.Unlock()
	if subscribed {
		c.hub.broker.Unsubscribe(controlTopic, c)
	}
}

// isStopped reports whether stop was called. Called with c.mu held.
func (c *control) isStopped() bool {
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

// enforceSoon has what is revoked enforced, by a goroutine that serves all who ask
// meanwhile.
func (c *control) enforceSoon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = true
	if !c.enforcing {
		c.enforcing = true
		c.hub.work.Go(c.enforceAll)
	}
}

func (c *control) enforceAll() {
	for c.wanted() {
		c.enforce()
	}
}

// enforce holds all sessions to what is revoked.
func (c *control) enforce() {
	if s := c.hub.attached(); s != nil {
		s.Enforce()
	}
}

// wanted reports whether there is something to enforce, and takes the request.
func (c *control) wanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enforcing, c.again = c.again, false
	return c.enforcing
}
