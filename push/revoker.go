package push

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/internal/revoke"
)

// revoker holds a hub to what is revoked. What one hub decides it stores in the broker's
// Store, for hubs that can't hear it, and tells the others over the bus. It begins with the
// first client: until it has read what is revoked, nobody is let in whom that may concern.
type revoker struct {
	// static
	hub   *Hub
	store broker.Store // nil if the broker is none; then there is nothing to know

	table revoke.Table
	known atomic.Bool // all that is stored was read, and nothing was missed since

	mu        sync.Mutex    // guards the rest
	missed    int           // counts the gaps
	learning  bool          // a goroutine runs learn
	tried     chan struct{} // closed at the end of the try that is under way
	enforcing bool          // a goroutine runs enforceAll
	again     bool          // and must do so once more
	stopped   chan struct{} // closed by stop
}

func newRevoker(h *Hub) *revoker {
	r := &revoker{hub: h, tried: make(chan struct{}), stopped: make(chan struct{})}
	r.store, _ = h.broker.(broker.Store)
	h.bus.on(revocationEvent, r.onRevocation)
	h.bus.on(putBackEvent, func([]byte) { r.relearn() })
	h.bus.onBreak(r.relearn)
	return r
}

// ready returns nil when all that is revoked is known here, and an error if that can't
// be read now.
func (r *revoker) ready(ctx context.Context) error {
	if r.store == nil || r.known.Load() {
		return nil
	}
	r.mu.Lock()
	r.startLearning()
	tried := r.tried
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, r.hub.options.BrokerTimeout)
	defer cancel()
	select {
	case <-tried:
	case <-ctx.Done():
	case <-r.stopped:
	}
	if !r.known.Load() {
		return errNotReady
	}
	return nil
}

var errNotReady = NewError(CodeUnavailable, "what was revoked can't be read now", nil)

// permits refuses what was revoked.
func (r *revoker) permits(ctx context.Context, a Access) error {
	if err := r.ready(ctx); err != nil {
		return err
	}
	if e := r.revokedUser(&a.Identity); e != nil {
		return e
	}
	if e := r.revokedTopic(a.Identity.User, a.Topic); e != nil {
		return e
	}
	return nil
}

// revokedUser returns why an identity is good for nothing, or nil.
func (r *revoker) revokedUser(id *Identity) *Error {
	if r.table.User(id.User, id.Issued) {
		return errRevoked
	}
	return nil
}

// revokedTopic returns why a user, who may be anonymous, may have nothing to do with a topic,
// or nil.
func (r *revoker) revokedTopic(user, topic string) *Error {
	if r.table.Topic(user, topic) {
		return errTopicRevoked
	}
	return nil
}

// admits refuses a user who was revoked.
func (r *revoker) admits(ctx context.Context, id *Identity) error {
	if id.User == "" {
		return nil
	}
	if err := r.ready(ctx); err != nil {
		return err
	}
	if e := r.revokedUser(id); e != nil {
		return e
	}
	return nil
}

// decide stores a record, holds to it, and tells the others.
func (r *revoker) decide(ctx context.Context, d revoke.Record, lasts time.Duration) error {
	if r.store == nil {
		return NewError(CodeUnsupported, "the broker can't store what is revoked", nil)
	}
	ctx, cancel := r.hub.deadline(ctx)
	defer cancel()
	if err := r.ready(ctx); err != nil {
		return err
	}
	for range maxDecisions {
		at, ok := r.table.Next(d.Subject, time.Now())
		if !ok {
			return errTooManyRevocations
		}
		d.At, d.For, d.Until = at, lasts.Milliseconds(), time.Now().Add(lasts)
		value, there, err := r.put(ctx, d, lasts)
		if err != nil {
			return err
		}
		if there == nil || d.Session != uuid.Nil { // a session ends once, whoever says so
			r.table.Put(d) // that of a session too, lest the store loses it
			if err := r.hold(d); err != nil {
				return err
			}
			r.enforce()
			return r.hub.bus.tell(ctx, revocationEvent, value)
		}
		// Somebody has decided about the same, and it wasn't heard of here. The later call
		// is to hold.
		if err := r.learnOf(*there); err != nil {
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
func (r *revoker) put(ctx context.Context, d revoke.Record, lasts time.Duration) (value []byte, there *broker.Stored, err error) {
	key, value, err := d.Text()
	if err != nil {
		return nil, nil, AsError(err)
	}
	there, err = r.store.Put(ctx, revocationSet, key, broker.Stored{Value: value, Version: d.Version(), TTL: lasts})
	return value, there, err
}

// hold notes what is decided. The end of a session is done with at once: the session is
// here, or none of this instance's business.
func (r *revoker) hold(d revoke.Record) error {
	if d.Session == uuid.Nil {
		if !r.table.Put(d) {
			return errTooManyRevocations
		}
		return nil
	}
	if s := r.hub.attached(); s != nil {
		s.End(d.Session, errRevoked)
	}
	return nil
}

// learnOf takes a record from the store.
func (r *revoker) learnOf(v broker.Stored) error {
	d, err := revoke.ParseStored(v)
	if err != nil {
		return err
	}
	return r.hold(d)
}

// onRevocation takes a record that another hub has decided on.
func (r *revoker) onRevocation(data []byte) {
	d, err := revoke.ParseTold(data)
	if err != nil {
		r.hub.options.Logger.Error("push: a revocation can't be read", "error", err)
		return
	}
	if err := r.hold(d); err != nil {
		r.relearn() // and meanwhile nobody is let in whom it may concern
		return
	}
	r.enforceSoon()
}

// stop ends the learning. The hub's tasks are waited for afterwards.
func (r *revoker) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.stopped)
}

// isStopped reports whether stop was called. Called with r.mu held.
func (r *revoker) isStopped() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

// enforceSoon has what is revoked enforced, by a goroutine that serves all who ask
// meanwhile.
func (r *revoker) enforceSoon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = true
	if !r.enforcing {
		r.enforcing = true
		r.hub.work.Go(r.enforceAll)
	}
}

func (r *revoker) enforceAll() {
	for r.wanted() {
		r.enforce()
	}
}

// enforce holds all sessions to what is revoked.
func (r *revoker) enforce() {
	if s := r.hub.attached(); s != nil {
		s.Enforce()
	}
}

// wanted reports whether there is something to enforce, and takes the request.
func (r *revoker) wanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enforcing, r.again = r.again, false
	return r.enforcing
}
