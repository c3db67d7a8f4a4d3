package pushtest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// Hub is a hub of one test, in memory. It is a [push.Hub] that tells what was published, and
// whose broker can be made to fail.
type Hub struct {
	*push.Hub
	// Published has what was published through the hub, by whomever.
	Published *Record

	t      testing.TB
	log    *testLog
	broker *Broker
	bubble string           // of testing/synctest in which it was made; empty for none
	routes func() *listener // what Client connects to, made when it is first asked for
}

// NewHub makes a hub with these options on a broker in memory. The zero Options let anyone
// follow and send, and log to the test. The hub ends with the test, which fails if the hub
// logs an error that [Hub.ExpectError] hasn't announced, if clients had to be cut, or if a
// goroutine is left.
//
// The last argument is for topics with rules, such as states. More than one panics.
func NewHub(t testing.TB, options push.Options, store ...membroker.Options) *Hub {
	t.Helper()
	log := newTestLog(t)
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	if options.Logger == nil {
		options.Logger = slog.New(&logHandler{to: log})
	}
	options.Identify = Identify(options.Identify)
	h := &Hub{t: t, log: log, broker: NewBroker(t, store...)}
	h.bubble, _ = inBubble()
	h.Published = h.broker.Published
	ended := watchLeaks(t)
	h.Hub = push.New(h.broker, options)
	t.Cleanup(func() {
		t.Helper()
		h.Heal()
		h.end()
		ended()
		log.end()
	})
	h.routes = sync.OnceValue(func() *listener { return serve(t, http.StripPrefix(defaultPath, transport.Routes(h.Hub))) })
	return h
}

// defaultPath is where a hub's own routes are.
const defaultPath = "/push"

// end shuts the hub down, unless the test has done so.
func (h *Hub) end() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := h.Shutdown(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		h.t.Errorf("pushtest: the hub's clients or hooks didn't end within %v, and were cut: does a hook wait for something?", patience)
	case err != nil:
		h.t.Errorf("pushtest: the hub's Shutdown: %v", err)
	}
}

// ExpectError announces that the hub will log an error with this text, which then doesn't
// fail the test. It fails if none comes.
func (h *Hub) ExpectError(text string) { h.log.expect(text) }

// Lose is [Broker.Lose] of the hub's broker.
func (h *Hub) Lose(topic string) {
	h.t.Helper()
	h.broker.Lose(topic)
}

// Expire is [Broker.Expire] of the hub's broker.
func (h *Hub) Expire(topic string) {
	h.t.Helper()
	h.broker.Expire(topic)
}

// FailBroker is [Broker.Fail] of the hub's broker.
func (h *Hub) FailBroker(err error) { h.broker.Fail(err) }

// Heal ends what FailBroker has begun.
func (h *Hub) Heal() { h.broker.Heal() }

// Client connects a client to the hub. Without [Through] it comes by routes of its own, which
// no middleware of the application is before. See [Dial].
func (h *Hub) Client(t testing.TB, options ...Option) *Client {
	t.Helper()
	if bubble, _ := inBubble(); bubble != h.bubble {
		t.Fatalf("pushtest: the hub: %v", errBubble)
	}
	d := newDialing(options)
	to := d.through
	if to == nil {
		to = &mounted{path: defaultPath, listener: h.routes()}
	}
	return newClient(t, d, to, h)
}

// Identify is for the Options of a hub that wasn't made by [NewHub], so that [As] works with
// it: identify is asked about all others. It may be nil.
func Identify(identify func(*http.Request) (push.Identity, error)) func(*http.Request) (push.Identity, error) {
	return func(r *http.Request) (push.Identity, error) {
		if v := visitorOf(r.Context()); v != nil && v.identity != nil {
			v.identity.used.Store(true)
			return v.identity.Identity, nil
		}
		if identify == nil {
			return push.Identity{}, nil
		}
		return identify(r)
	}
}
