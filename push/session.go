package push

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Session is one connected client: its identity, its topics, and the queue of
// what it is to be told. Transports open sessions and write what is queued;
// no goroutine runs for a session whose queue is empty.
type Session struct {
	// static
	hub      *Hub
	id       string
	identity Identity
	format   Format
	conn     Conn
	pulse    *Frame
	interval time.Duration // of pulses
	done     chan struct{}

	mu            sync.Mutex // guards the rest
	outbox        outbox
	subscriptions map[string]*subscription
	replays       []*subscription // waiting for their replay, in order
	writing       bool            // a goroutine runs write
	over          bool            // nothing more is queued
	reason        *Error          // why it is over, for the client
	heartbeat     *time.Timer
	expiry        *time.Timer
}

// Client is what a transport knows of a client when it opens a session.
type Client struct {
	Identity Identity
	Format   Format
	Conn     Conn
	// Heartbeat is sent at least every Interval, once something was announced.
	// Nil sends none.
	Heartbeat *Frame
	Interval  time.Duration
}

// expiryGrace is how long a connection outlives its identity.
const expiryGrace = 10 * time.Second

// Open begins a session. The error is ErrDraining after Shutdown has begun; else
// the transport must see to it that the session ends: by Close when the
// client is gone.
func (h *Hub) Open(c Client) (*Session, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, Errorf(CodeInternal, ErrInternal.Reason, err)
	}
	s := &Session{
		hub:           h,
		id:            id.String(),
		identity:      c.Identity,
		format:        c.Format,
		conn:          c.Conn,
		pulse:         c.Heartbeat,
		interval:      c.Interval,
		done:          make(chan struct{}),
		subscriptions: map[string]*subscription{},
	}
	if err := h.add(s); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.Identity.Expires.IsZero() {
		s.expiry = time.AfterFunc(time.Until(c.Identity.Expires.Add(expiryGrace)), func() {
			s.Close(errExpired)
		})
	}
	return s, nil
}

// ID names the session, uniquely over all instances.
func (s *Session) ID() string { return s.id }

// Identity is who the client is.
func (s *Session) Identity() Identity { return s.identity }

// Done is closed when the session has ended and its connection is closed.
func (s *Session) Done() <-chan struct{} { return s.done }

// Send queues a frame for the client.
func (s *Session) Send(frame *Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(frame)
}

// Close ends the session. With a reason, what is queued is still written, and
// the reason is told to the client; without, the client is gone. The
// connection is closed when Done is closed.
func (s *Session) Close(reason *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason == nil {
		s.drop()
	}
	s.finish(reason)
}

// leave queues a last frame and ends the session in one step.
func (s *Session) leave(frame *Frame, reason *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(frame)
	s.finish(reason)
}

// beat queues the heartbeat and arms the next.
func (s *Session) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.enqueue(s.pulse) {
		s.heartbeat.Reset(s.interval)
	}
}

// end leaves all topics and closes the connection.
func (s *Session) end() {
	defer s.hub.remove(s)
	s.mu.Lock()
	if s.heartbeat != nil {
		s.heartbeat.Stop()
	}
	if s.expiry != nil {
		s.expiry.Stop()
	}
	subscriptions := s.subscriptions
	s.subscriptions = nil
	reason := s.reason
	s.mu.Unlock()
	for _, sub := range subscriptions {
		s.hub.leave(sub)
	}
	s.conn.End(reason)
	close(s.done)
}

// The methods below are called with s.mu held.

// startBeating begins with the heartbeats, after a time that differs from session
// to session.
func (s *Session) startBeating() {
	if s.pulse != nil && s.heartbeat == nil {
		s.heartbeat = time.AfterFunc(s.interval/2+rand.N(s.interval/2), s.beat)
	}
}

// enqueue queues a frame, or ends the session if there is no room: this is the
// slow-consumer rule. It reports whether the frame was queued; nil never is.
func (s *Session) enqueue(frame *Frame) bool {
	if frame == nil || !s.reserve(frame) {
		return false
	}
	s.outbox.queue = append(s.outbox.queue, frame)
	s.wake()
	return true
}

// reserve makes room for a frame that will be queued, or ends the session. What
// a slow client held up is free at once.
func (s *Session) reserve(frame *Frame) bool {
	if s.over {
		return false
	}
	if !s.outbox.reserve(frame, s.hub.options.Queue) {
		s.drop()
		s.finish(ErrSlowConsumer)
		return false
	}
	return true
}

// drop forgets all that was to be written.
func (s *Session) drop() {
	s.outbox.queue, s.replays = nil, nil
	for _, sub := range s.subscriptions {
		sub.stop()
	}
}

// finish makes the writer close the connection once the queue is empty.
func (s *Session) finish(reason *Error) {
	if s.over {
		return
	}
	s.over, s.reason, s.replays = true, reason, nil
	s.wake()
}
