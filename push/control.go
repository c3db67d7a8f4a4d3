package push

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
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
	store Store // nil if the broker is none; then there is nothing to know

	decrees decrees
	known   atomic.Bool // all that is stored was read, and nothing was missed since

	mu         sync.Mutex    // guards the rest
	subscribed bool          // to the topic
	missed     int           // counts the gaps
	learning   bool          // a goroutine runs learn
	tried      chan struct{} // closed at the end of the try that is under way
	enforcing  bool          // a goroutine runs enforceAll
	again      bool          // and must do so once more
	stopped    chan struct{} // closed by stop
}

const controlTopic = ReservedTopicPrefix + "control"

const (
	minLearnBackoff = 50 * time.Millisecond
	maxLearnBackoff = time.Second
)

func newControl(h *Hub, broker Broker) *control {
	c := &control{hub: h, tried: make(chan struct{}), stopped: make(chan struct{})}
	c.store, _ = broker.(Store)
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

var errNotReady = Errorf(CodeUnavailable, "what was revoked can't be read now", nil)

// permits refuses what was revoked.
func (c *control) permits(ctx context.Context, a Access) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	switch {
	case c.decrees.revokesUser(&a.Identity):
		return errRevoked
	case c.decrees.revokesTopic(a.Identity.User, a.Topic):
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
	if c.decrees.revokesUser(id) {
		return errRevoked
	}
	return nil
}

// decree stores a decree, holds to it, and tells the others.
func (c *control) decree(ctx context.Context, d decree, lasts time.Duration) error {
	if c.store == nil {
		return Errorf(CodeUnsupported, "the broker can't store what is revoked", nil)
	}
	ctx, cancel := c.hub.deadline(ctx)
	defer cancel()
	if err := c.ready(ctx); err != nil {
		return err
	}
	at, ok := c.decrees.next(d.subject, time.Now())
	if !ok {
		return Errorf(CodeLimitReached, "too many revocations", nil)
	}
	d.At, d.Until = at, at.Add(lasts)
	key, value, err := d.text()
	if err != nil {
		return AsError(err)
	}
	if err := c.store.Put(ctx, revocationSet, key, value, lasts); err != nil {
		return err
	}
	c.decrees.put(d)
	c.hub.enforce()
	return c.tell(ctx, revocationEvent, value)
}

// tell sends something to all instances, this one too.
func (c *control) tell(ctx context.Context, event string, data []byte) error {
	_, err := c.hub.broker.Publish(ctx, Message{Topic: controlTopic, Event: event, Data: data, reserved: true})
	return err
}

// Receive takes what a hub has told; see [Receiver].
func (c *control) Receive(m *Message) {
	switch m.Event { // another is of a newer version
	case revocationEvent:
		d, err := parseDecree(m.Data)
		if err != nil {
			c.hub.options.Logger.Error("push: a revocation can't be read", "error", err)
			return
		}
		c.decrees.put(d)
		c.enforceSoon()
	case refreshEvent:
		c.hub.work.Go(func() { // the application is asked for the claims
			if err := c.hub.refreshHere(m.Data); err != nil {
				c.hub.options.Logger.Warn("push: a session's identity can't be refreshed", "error", err)
			}
		})
	}
}

// Break says that something was missed, so all is read anew; see [Receiver].
func (c *control) Break(Gap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missed++
	c.known.Store(false)
	c.startLearning()
}

// startLearning sees to it that learn runs. Called with c.mu held.
func (c *control) startLearning() {
	if !c.learning && !c.isStopped() {
		c.learning = true
		c.hub.work.Go(c.learn)
	}
}

// learn tries until all is known.
func (c *control) learn() {
	backoff := minLearnBackoff
	for {
		c.mu.Lock()
		missed := c.missed
		c.mu.Unlock()
		err := c.read()
		if c.learned(err == nil, missed) {
			return
		}
		if err == nil {
			continue // a gap came meanwhile
		}
		c.hub.options.Logger.Warn("push: what was revoked can't be read", "error", err)
		select {
		case <-time.After(backoff):
		case <-c.stopped:
		}
		backoff = min(2*backoff, maxLearnBackoff)
	}
}

// learned ends a try, and reports whether it was the last.
func (c *control) learned(ok bool, missed int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok = ok && missed == c.missed
	if ok {
		c.known.Store(true)
	}
	close(c.tried)
	c.tried = make(chan struct{})
	c.learning = !ok && !c.isStopped()
	return !c.learning
}

// read follows the topic, if it isn't followed yet, and then reads all that is
// stored.
func (c *control) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.hub.options.BrokerTimeout)
	defer cancel()
	if err := c.subscribe(ctx); err != nil {
		return err
	}
	stored, err := c.store.All(ctx, revocationSet)
	if err != nil {
		return err
	}
	for _, value := range stored {
		d, err := parseDecree(value)
		if err != nil {
			c.hub.options.Logger.Error("push: a stored revocation can't be read", "error", err)
			continue
		}
		c.decrees.put(d)
	}
	c.hub.enforce()
	c.putBack(ctx, stored)
	return nil
}

// putBack stores what the store has lost, in a failover or with all its data, and this
// instance still knows.
func (c *control) putBack(ctx context.Context, stored map[string][]byte) {
	now := time.Now()
	for _, d := range c.decrees.all(now) {
		key, value, err := d.text()
		left := d.Until.Sub(now)
		if err != nil || stored[key] != nil || left < time.Second {
			continue
		}
		if err := c.store.Put(ctx, revocationSet, key, value, left); err != nil {
			c.hub.options.Logger.Warn("push: what was revoked is lost in the store, and can't be stored again", "error", err)
			return
		}
	}
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
		c.hub.enforce()
	}
}

// wanted reports whether there is something to enforce, and takes the request.
func (c *control) wanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enforcing, c.again = c.again, false
	return c.enforcing
}

// enforce holds all sessions to what is revoked.
func (h *Hub) enforce() {
	h.mu.Lock()
	sessions := slices.Collect(maps.Values(h.sessions))
	h.mu.Unlock()
	for _, s := range sessions {
		s.enforce()
	}
}

// enforce ends the session if it was revoked, and has it lose a topic that was.
func (s *Session) enforce() {
	t := &s.hub.control.decrees
	if !t.any.Load() {
		return
	}
	lost := ""
	s.mu.Lock()
	switch id := s.identity.Load(); {
	case s.over:
	case t.revokesUser(id), t.endsSession(s):
		s.drop()
		s.finish(errRevoked)
	default:
		for _, sub := range s.subscriptions {
			if t.revokesTopic(id.User, sub.feed.topic) {
				lost = sub.feed.topic
			}
		}
	}
	s.mu.Unlock()
	if lost != "" {
		s.retreat(lost)
	}
}
