package session_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// fakeFormat writes frames as words, and counts what it encodes.
type fakeFormat struct {
	mu      sync.Mutex
	encoded int
}

func (f *fakeFormat) Message(m *push.Message) *session.Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.encoded++
	return &session.Frame{Bytes: m.Data, Topic: m.Topic, Cursor: cursor.Format(m.Topic, m.Position)}
}

func (f *fakeFormat) Gap(g broker.Gap) *session.Frame {
	return word(fmt.Sprintf("gap %s %d-%d", g.Reason, g.Last.Offset, g.Now.Offset))
}

func (f *fakeFormat) Reconnect(int) *session.Frame { return word("reconnect") }

func word(s string) *session.Frame { return &session.Frame{Bytes: []byte(s)} }

// fakeConn is a client in memory. It reads unless it is stalled, in which case a
// write takes its timeout.
type fakeConn struct {
	timeout time.Duration

	mu      sync.Mutex
	got     []string
	stalled bool
	reason  *push.Error
	ended   bool

	resume chan struct{} // closed when a stalled client reads again, or is aborted
	once   sync.Once
}

func newConn() *fakeConn { return &fakeConn{timeout: 5 * time.Second, resume: make(chan struct{})} }

func stalledConn() *fakeConn {
	c := newConn()
	c.stalled = true
	return c
}

func (c *fakeConn) Write(frames []*session.Frame) error {
	c.mu.Lock()
	stalled := c.stalled
	c.mu.Unlock()
	if stalled {
		select {
		case <-c.resume:
		case <-time.After(c.timeout): //clock:virtual
			return os.ErrDeadlineExceeded
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		panic("Write after End")
	}
	for _, f := range frames {
		c.got = append(c.got, string(f.Bytes))
	}
	return nil
}

func (c *fakeConn) End(reason *push.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		panic("End twice")
	}
	c.ended, c.reason = true, reason
}

func (c *fakeConn) Abort() { c.once.Do(func() { close(c.resume) }) }

// take gives what the client has got since the last call.
func (c *fakeConn) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := fmt.Sprint(c.got)
	c.got = nil
	return got
}

func (c *fakeConn) end() (ended bool, reason *push.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended, c.reason
}

// world is a hub with its broker.
type world struct {
	t      *testing.T
	broker push.Broker
	hub    *push.Hub
	format *fakeFormat
}

func newWorld(t *testing.T, broker push.Broker, options push.Options) *world {
	t.Helper()
	if broker == nil {
		broker = membroker.New()
	}
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	w := &world{t: t, broker: broker, hub: push.New(broker, options), format: &fakeFormat{}}
	t.Cleanup(func() {
		if w.hub.Draining() && w.hub.Stats().Sessions == 0 {
			w.wantMemory()
			w.wantWindows(0)
		}
	})
	return w
}

// wantMemory fails unless what the hub has counted is what its clients hold. When they have
// left, that is the windows of the topics that linger. Nothing may be under way.
func (w *world) wantMemory() {
	w.t.Helper()
	counted, found := session.Of(w.hub).Memory()
	_, windows := session.Of(w.hub).Windows()
	mirrors := session.Of(w.hub).Mirrors()
	if counted != found || found != windows+mirrors && w.hub.Stats().Sessions == 0 {
		w.t.Errorf("%d bytes are counted, and %d are held by %d sessions", counted, found, w.hub.Stats().Sessions)
	}
}

func (w *world) shutdown() {
	w.t.Helper()
	if err := w.hub.Shutdown(context.Background()); err != nil {
		w.t.Errorf("Shutdown: %v", err)
	}
}

func (w *world) open(c *fakeConn) *session.Session {
	w.t.Helper()
	s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// subscribe follows topics; the announcement is "hello" and the refusals.
func (w *world) subscribe(s *session.Session, since string, topics ...string) {
	w.t.Helper()
	var follows []session.Follow
	for _, topic := range topics {
		follows = append(follows, session.Follow{Topic: topic, Since: since})
	}
	s.Subscribe(w.t.Context(), follows, hello)
}

func hello(answers []session.Followed) *session.Frame {
	text := "hello"
	for _, a := range answers {
		if a.Err != nil {
			text += " " + string(a.Err.Code)
		}
	}
	return word(text)
}

func (w *world) publish(topic, data string) push.Receipt {
	w.t.Helper()
	receipt, err := w.hub.Publish(w.t.Context(), push.Message{Topic: topic, Data: []byte(data)})
	if err != nil {
		w.t.Fatal(err)
	}
	return receipt
}

func (w *world) cursor(topics ...string) string {
	w.t.Helper()
	cursor, err := w.hub.Cursor(w.t.Context(), topics...)
	if err != nil {
		w.t.Fatal(err)
	}
	return cursor
}
