package session

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/wheel"
)

// Session is one connected client: its identity, its topics, and the queue of
// what it is to be told. Transports open sessions and write what is queued. An idle
// session has neither a goroutine nor a timer of its own.
type Session struct {
	// static
	hub      *Host
	shard    *shard
	id       uuid.UUID
	format   Format
	conn     Conn
	try      TryWriter // nil if the connection can't be written without waiting
	pulse    *Frame
	interval time.Duration // of pulses
	patience time.Duration // with a client that says nothing
	slot     *slot         // among Options.Limits; nil if it isn't counted

	identity atomic.Pointer[push.Identity] // changed with mu held

	timing  wheel.Timing // of hub.wheel
	waiting atomic.Int64 // since when the client is waited for, on the hub's clock; 0 if it isn't, negative for its first word

	mu            sync.Mutex // guards the rest
	outbox        outbox
	subscriptions []*subscription
	replays       []*subscription // waiting for their replay, in order
	reason        *push.Error     // why it is over, for the client
	beat          time.Duration   // when the next pulse is due, on the hub's clock; 0 before the announcement
	expiry        time.Duration   // when the identity ends, with its grace; 0 if never
	review        time.Duration   // when its rights are asked again; 0 if never, or if that is under way
	written       uint64          // bytes of frames
	age           uint32          // when it is to be renewed, in seconds on the hub's clock; 0 if never
	transport     uint8           // of hub.transports; static
	asked         bool            // whether the client is there, before its first word
	catching      bool            // frames of a replay are queued
	turn          chan struct{}   // wakes the goroutine in Serve; nil if there is none
	writing       bool            // somebody writes, or will
	over          bool            // nothing more is queued
	ended         bool            // the connection is closed
	untold        bool            // those who watch are told of the end when calls is 0
	calls         int32           // of Subscribe and Unsubscribe that are under way
	done          chan struct{}   // closed when it is; nil if nobody has asked
}

// Client is what a transport knows of a client when it opens a session.
type Client struct {
	// Transport is the transport's name in figures: a word, such as "ws". Clients without
	// one count for "other".
	Transport string
	// Admission is the client's place, which the session takes over. Without one it
	// isn't counted by Options.Limits.
	Admission *Admission
	Identity  push.Identity
	Format    Format
	Conn      Conn
	// Try is the Conn's way to write without waiting, if it has one. The hub then
	// writes to many clients from few goroutines.
	Try TryWriter
	// Heartbeat is sent at least every Interval, once something was announced. Nil
	// sends none, nor does an Interval that isn't positive; one of less than 100 ms is
	// taken for that.
	Heartbeat *Frame
	Interval  time.Duration
	// Patience is how long a client that is waited for (see Session.ExpectInput) may say
	// nothing. Zero or negative is forever.
	Patience time.Duration
}

const (
	// expiryGrace is how long a connection outlives its identity.
	expiryGrace = 10 * time.Second
	// forever is longer than any connection lives, and far from the longest Duration.
	forever = 100 * 365 * 24 * time.Hour
)

// Open begins a session. The error is push.CodeDraining after Shutdown has begun, or
// push.CodeLimitReached if the user has too many sessions; an Admission is good for one
// session. Without an error the transport makes
// sure that the session ends: by Close or Lost when the client is gone.
//
// From now on the hub may call the Conn, even before Subscribe: a session that ends early, because
// its user was revoked or the hub shuts down, gets its last frame and its end.
func (h *Host) Open(c Client) (*Session, error) {
	s := &Session{
		hub:      h,
		shard:    h.shards.next(),
		id:       newSessionID(),
		format:   c.Format,
		conn:     c.Conn,
		try:      c.Try,
		pulse:    c.Heartbeat,
		interval: min(max(c.Interval, wheel.Tick), forever),
		patience: min(max(c.Patience, 0), forever),
	}
	if c.Interval <= 0 {
		s.pulse = nil
	}
	if c.Heartbeat != nil {
		c.Heartbeat.keepers.CompareAndSwap(0, uncounted)
	}
	s.identity.Store(shared(c.Identity))
	if err := h.seat(s, c.Transport, c.Admission); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.expiry = h.expiryOf(c.Identity)
	s.planRecheck()
	s.age = ageFrom(&h.limiter.limits, h.wheel.Now())
	s.setTimer()
	s.mu.Unlock()
	s.enforce() // the client may have been revoked since it was identified
	return s, nil
}

// ID names the session, uniquely over all instances.
func (s *Session) ID() string { return s.id.String() }

// Identity is who the client is, as it was told last.
func (s *Session) Identity() push.Identity { return *s.identity.Load() }

// Done is closed when the session has ended and its connection is closed.
func (s *Session) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.ended {
			close(s.done)
		}
	}
	return s.done
}

// Send queues a frame for the client.
func (s *Session) Send(frame *Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(frame)
}

// ExpectInput tells that the transport waits for the client from now on, anew if it did
// already: a client that says nothing for Client.Patience is gone.
func (s *Session) ExpectInput() { s.waiting.Store(int64(max(1, s.hub.wheel.Now()))) }

// ExpectFirst is ExpectInput for a client that has to say something, because there is nothing
// that it could be waiting for: it has Options.Limits.Silence to say its first word, and
// gets a heartbeat when half of that is over.
func (s *Session) ExpectFirst() {
	if s.hub.limiter.limits.Silence >= forever {
		s.ExpectInput()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.Store(-int64(max(1, s.hub.wheel.Now())))
	s.setTimer()
}

// Busy tells that the client has said something, and isn't waited for while that
// is dealt with.
func (s *Session) Busy() { s.waiting.Store(0) }

// Keep counts bytes that a transport keeps for the client besides what it was given to
// write, such as a message of which only a part has come; a negative number counts them
// out again. False means that there is no room for them, and the session ends.
func (s *Session) Keep(bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, o, m := int64(bytes), &s.outbox, &s.hub.memory
	switch {
	case n <= 0:
		n = max(n, -o.extra)
		m.give(-n)
	case s.over:
		return false
	case !m.take(n, m.limit):
		s.cutForMemory()
		return false
	}
	o.extra += n
	return true
}

// Close ends the session. With a reason, what is queued is still written, and
// the reason is told to the client; without, the client is gone. The
// connection is closed when Done is closed.
func (s *Session) Close(reason *push.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason == nil {
		s.drop()
	}
	s.finish(reason)
}

// Lost is Close for a connection that has failed with err. The client is gone, unless err is a
// *push.Error or a push.Code, which is the reason then, or the system says that the client doesn't
// answer any more, which counts as push.CodeTimeout.
func (s *Session) Lost(err error) { s.Close(lossOf(err)) }

// leave queues a last frame and ends the session in one step.
func (s *Session) leave(frame *Frame, reason *push.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(frame)
	s.finish(reason)
}

// end leaves all topics and closes the connection.
func (s *Session) end() {
	defer s.hub.remove(s)
	s.mu.Lock()
	s.hub.wheel.Remove(s)
	subscriptions := s.subscriptions
	s.subscriptions = nil
	for _, sub := range subscriptions {
		sub.stop()
	}
	reason := s.reason
	s.mu.Unlock()
	s.conn.End(reason)
	s.releaseExtra() // before anything that may wait for a feed, which may wait for this
	for _, sub := range subscriptions {
		s.hub.leave(sub)
	}
	s.releaseSlot()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.rest(&s.hub.memory)
	s.ended = true
	if s.done != nil {
		close(s.done)
	}
}

// releaseExtra counts out what the session has kept besides frames.
func (s *Session) releaseExtra() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.rest(&s.hub.memory)
	s.hub.memory.give(s.outbox.extra)
	s.outbox.extra = 0
}

// The methods below are called with s.mu held.

// find gives the subscription of a topic, or nil.
func (s *Session) find(topic string) *subscription {
	for _, sub := range s.subscriptions {
		if sub.feed.topic == topic {
			return sub
		}
	}
	return nil
}

// startBeating begins with the heartbeats, after a time that differs from session
// to session.
func (s *Session) startBeating() {
	if s.pulse != nil && s.beat == 0 {
		s.beat = s.hub.wheel.Now() + s.interval/2 + rand.N(s.interval/2)
		s.setTimer()
	}
}

// enqueue queues a frame, or ends the session if there is no room: this is the
// slow-consumer rule. It reports whether the frame was queued; nil never is.
func (s *Session) enqueue(frame *Frame) bool { return s.put(frame, false) }

// put is enqueue for a frame that may be lent by the shard.
func (s *Session) put(frame *Frame, lent bool) bool {
	if frame == nil || !s.reserve(frame, lent) {
		return false
	}
	s.outbox.queue = append(s.outbox.queue, frame)
	s.wake()
	return true
}

// reserve makes room for a frame that will be queued, or ends the session. What
// a slow client held up is free at once.
func (s *Session) reserve(frame *Frame, lent bool) bool {
	switch {
	case s.over:
		return false
	case !s.outbox.fits(frame, s.hub.queue):
		s.cut()
		return false
	case !s.outbox.reserve(&s.hub.memory, frame, lent):
		s.cutForMemory()
		return false
	}
	if frame.arrived&traced != 0 {
		s.hub.traces.reserved(frame)
	}
	return true
}

// unreserve counts out frames that won't be written.
func (s *Session) unreserve(frames []*Frame) {
	if s.outbox.unreserve(&s.hub.memory, frames)&traced != 0 {
		s.hub.traces.settled(frames, noteDropped)
	}
}

// cut ends the session of a client that reads too slowly.
func (s *Session) cut() {
	s.drop()
	s.finish(errSlowConsumer)
}

// cutForMemory is cut because all together hold too much.
func (s *Session) cutForMemory() {
	if !s.over {
		s.hub.stats.shed.Add(1)
	}
	s.cut()
}

// drop forgets all that was to be written, but for what the writer has taken already.
func (s *Session) drop() {
	s.unreserve(s.outbox.queue)
	s.outbox.queue, s.replays = nil, nil
	for _, sub := range s.subscriptions {
		sub.stop()
	}
}

// finish makes the writer close the connection once the queue is empty.
func (s *Session) finish(reason *push.Error) {
	if s.over {
		return
	}
	s.over, s.reason, s.replays = true, reason, nil
	s.wake()
}
