package transporttest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/transporttest"
)

func TestLines(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{New: linesWithin(5 * time.Second), Patient: linesWithin(time.Hour), Dial: dialLines})
}

// lines is the smallest whole transport, and the example of the recipe in
// docs/architecture.md: a response that goes on, with a frame of JSON on each line.
type lines struct {
	host    *session.Host
	timeout time.Duration // of a write
}

func linesWithin(timeout time.Duration) func(hub *push.Hub) transporttest.Transport {
	return func(hub *push.Hub) transporttest.Transport { return &lines{session.Of(hub), timeout} }
}

func (t *lines) Publish(_ context.Context, m push.Message) (push.Receipt, error) {
	return t.host.Deliver(m, t)
}

func (t *lines) Message(m *push.Message) *session.Frame {
	at := protocol.Cursor(m)
	return line(m.Topic, at, protocol.Message(m, at))
}

func (t *lines) Gap(g broker.Gap) *session.Frame {
	at := cursor.Format(g.Topic, g.Now)
	return line(g.Topic, at, protocol.Gap(g, at))
}

func (t *lines) Reconnect(afterMS int) *session.Frame {
	return line("", "", protocol.Reconnect(afterMS))
}

func line(topic, at string, json []byte) *session.Frame {
	return &session.Frame{Topic: topic, Cursor: at, Bytes: append(json, '\n')}
}

func (t *lines) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := t.serve(w, r); err != nil {
		protocol.Refuse(t.host, w, r, push.AsError(err))
	}
}

// serve runs a session in the request's goroutine. With an error nothing has been written.
func (t *lines) serve(w http.ResponseWriter, r *http.Request) error {
	const heartbeat = 15 * time.Second
	admission, err := t.host.Admit(r)
	if err != nil {
		return err
	}
	defer admission.Release()
	identity, err := admission.Identify(r)
	if err != nil {
		return err
	}
	follows, e := protocol.Follows(r, cursor.MaxTopics)
	if e != nil {
		return e
	}
	c := &response{w: w, timeout: t.timeout}
	s, err := t.host.Open(session.Client{
		Admission: admission, Identity: identity, Format: t, Conn: c,
		Heartbeat: line("", "", protocol.Ping()), Interval: heartbeat,
	})
	if err != nil {
		return err
	}
	var refused *push.Error
	s.Subscribe(r.Context(), follows, func(answers []session.Followed) *session.Frame {
		refused = session.AllRefused(answers)
		return line("", "", protocol.Welcome(s.ID(), heartbeat, s.Identity().Expires, answers))
	})
	if refused != nil {
		s.Close(refused)
	}
	// The request ends when the client leaves, but also when a write fails, before Write returns.
	s.Serve(r.Context(), func() { s.Close(c.late.Load()) })
	return nil
}

// response is the connection of one client.
type response struct {
	w       http.ResponseWriter
	timeout time.Duration
	late    atomic.Pointer[push.Error] // nil until a write has taken too long
	mu      sync.Mutex                 // guards ended; not held during writes
	ended   bool                       // w isn't ours any more
}

func (c *response) Write(frames []*session.Frame) error {
	timer := time.AfterFunc(c.timeout, func() {
		c.late.Store(push.NewError(push.CodeSlowConsumer, "", nil))
		c.Abort()
	})
	defer timer.Stop()
	for _, f := range frames {
		if _, err := c.w.Write(f.Bytes); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.w).Flush()
}

func (c *response) End(reason *push.Error) {
	if reason != nil && reason.Code != push.CodeDraining { // the request to reconnect says that
		_ = c.Write([]*session.Frame{line("", "", protocol.Error(reason))}) // the end comes either way
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

// Abort makes the write fail that is under way, and those to come.
func (c *response) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Unix(1, 0)) // net/http's w has one
	}
}

func dialLines(ctx context.Context, address string, topics []string, since string) (*transporttest.Client, error) {
	body, stop, err := transporttest.Get(ctx, address, topics, since)
	if err != nil {
		return nil, err
	}
	frames := json.NewDecoder(body)
	next := func() (f transporttest.Frame, err error) { err = frames.Decode(&f); return f, err }
	return transporttest.NewClient(next, stop), nil
}
