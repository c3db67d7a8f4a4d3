package push

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// Health is how a hub is, for probes and operators.
type Health struct {
	Draining bool // Shutdown or Drain has begun
	// Broker is what is wrong with the broker, and BrokerSince when that was first found.
	// Nil if it answers, and for one that can't say: those that are a
	// [broker.HealthChecker] can.
	Broker      error
	BrokerSince time.Time
	// Memory is how many bytes wait for clients, of MemoryLimit. Past three quarters of
	// that new clients are refused.
	Memory, MemoryLimit int64
	// Stuck is how long the delivery of messages has stood still, which only a bug can
	// bring about. Zero if it hasn't for a while.
	Stuck time.Duration
	// Warnings are what was found to be wrong with how the hub is mounted and configured,
	// at most 32, each once.
	Warnings []string
}

// Ready returns why new clients should go to another instance: the hub drains, its broker
// fails, or it has no memory left for them. Nil if they are welcome. Clients that are
// connected stay through all of these, so none is a reason to restart.
func (h Health) Ready() error {
	switch {
	case h.Draining:
		return CodeDraining
	case h.Broker != nil:
		return h.Broker
	case h.MemoryLimit > 0 && h.Memory > h.MemoryLimit/4*3:
		return NewError(CodeUnavailable, "too much waits for clients that read slowly", nil)
	default:
		return h.Live()
	}
}

// Live returns why the process should be restarted: only a restart helps against this. Nil
// if there is no such thing.
func (h Health) Live() error {
	if h.Stuck > 0 {
		return NewError(CodeInternal, "messages aren't delivered", fmt.Errorf("for %v", h.Stuck))
	}
	return nil
}

// Health reports how the hub is. It asks the broker, at most once a second however often it
// is called. If the context ends before the broker has answered, Health goes by the answer
// before; a broker that was asked half a second ago and hasn't answered has failed. So with a
// context that has ended Health returns at once.
func (h *Hub) Health(ctx context.Context) Health {
	health := Health{Draining: h.Draining()}
	if s := h.attached(); s != nil {
		s.Health(&health)
	}
	if b, ok := h.broker.(broker.HealthChecker); ok {
		health.BrokerSince, health.Broker = h.check.result(ctx, h, b)
	}
	return health
}

const (
	// checkInterval is how long an answer of the broker is good for.
	checkInterval = time.Second
	// checkPatience is how long a broker may take to answer before it counts as failed.
	checkPatience = 500 * time.Millisecond
)

// check asks a broker how it is, for all who want to know.
type check struct {
	mu       sync.Mutex    // guards the rest
	begun    time.Time     // the last one
	running  chan struct{} // closed when it has ended; nil if none is under way
	answered time.Time     // zero if never
	err      error
	since    time.Time // when the first of the checks began that fail
}

var errNoAnswer = NewError(CodeUnavailable, "the broker doesn't answer", nil)

func (c *check) result(ctx context.Context, h *Hub, b broker.HealthChecker) (since time.Time, err error) {
	if running := c.begin(h, b); running != nil {
		select {
		case <-running:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.running != nil && time.Since(c.begun) >= checkPatience {
		return c.begun, errNoAnswer
	}
	return c.since, c.err
}

// begin begins a check unless the last is new enough. It returns what is closed when the one
// that is under way has ended, or nil if there is none.
func (c *check) begin(h *Hub, b broker.HealthChecker) (running chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil || !c.answered.IsZero() && time.Since(c.answered) < checkInterval {
		return c.running
	}
	c.begun, c.running = time.Now(), make(chan struct{})
	h.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), h.options.BrokerTimeout)
		defer cancel()
		c.end(b.Health(ctx))
	})
	return c.running
}

func (c *check) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.err == nil {
		c.since = c.begun
	}
	if err == nil {
		c.since = time.Time{}
	}
	c.err, c.answered = err, time.Now()
	close(c.running)
	c.running = nil
}
