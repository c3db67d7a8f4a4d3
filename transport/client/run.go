package client

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/push"
)

// provenAfter is how long a connection lives after its welcome to have proved that its
// transport works.
const provenAfter = 5 * time.Second

// errRestart ends a connection of which nothing is wrong.
var errRestart = errors.New("client: the connection begins again")

// history is what has happened to attempts so far.
type history struct {
	failures int       // in a row
	since    time.Time // when the first of them was
	strikes  int       // of the transport, in a row
	renewed  bool      // new credentials were tried
}

// wait notes a failure, and returns how long to wait after it: no longer than the server
// has been away, so that an outage costs at most about twice its time.
func (h *history) wait(b backoff, asked time.Duration) time.Duration {
	if h.failures == 0 {
		h.since = time.Now()
	}
	b.greatest = min(b.greatest, max(b.least, time.Since(h.since)))
	wait := b.wait(h.failures, asked)
	h.failures++
	return wait
}

// run connects until the client ends.
func (c *Client) run() {
	defer c.finish()
	var h history
	for c.ctx.Err() == nil {
		age, t := c.attempt()
		switch {
		case c.ctx.Err() != nil || t == nil:
			continue
		case c.isFinal(&h, age, t):
			c.options.Logger.Warn("client: the server refuses this client", "url", c.base.Redacted(), "error", t.err)
			c.stop(t.err)
			return
		}
		c.note(t.err)
		wait := h.wait(c.backoff, t.after)
		what := "client: disconnected"
		if age == 0 {
			what = "client: can't connect"
		}
		c.options.Logger.Info(what, "url", c.base.Redacted(), "error", t.err, "wait", wait.Round(time.Millisecond))
		sleep(c.ctx, wait)
	}
}

// isFinal notes how a connection has ended, age after its welcome or 0 if there was none,
// and reports whether none is to follow.
func (c *Client) isFinal(h *history, age time.Duration, t *trouble) bool {
	if age > 0 {
		h.renewed = false
	}
	if age > provenAfter {
		h.failures, h.strikes = 0, 0
	}
	if t.unauthenticated() && !c.mayTurn(t) {
		again := c.options.Credentials != nil && !h.renewed
		h.renewed = true
		return !again
	}
	if t.final && !c.mayTurn(t) {
		return true
	}
	if t.foreign && age <= provenAfter && c.options.Transport == Automatic {
		// One that has opened and died may have been bad luck.
		if h.strikes++; age == 0 || h.strikes > 1 {
			h.strikes = 0
			c.turn()
		}
	}
	return false
}

// mayTurn reports whether another transport may get through where this one was refused.
func (c *Client) mayTurn(t *trouble) bool {
	return t.foreign && c.options.Transport == Automatic && c.way() == WebSocket
}

// turn goes on with the other transport.
func (c *Client) turn() {
	next := WebSocket
	if c.way() == WebSocket {
		next = EventStream
	}
	c.use(next)
}

// use has the next attempt made over a transport.
func (c *Client) use(t Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transport = t
	if t == EventStream {
		c.answerAll(errRestart) // they go by POST
	}
}

func (c *Client) way() Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport
}

// link is one connection, to one reader.
type link interface {
	// read waits for the next frame; patience is how long the server may be silent. The
	// frame is good until the next read.
	read(patience time.Duration) ([]byte, *trouble)
	// write sends a frame. It may be called while read waits.
	write(frame []byte) error
	// close ends the connection. A polite one waits for the server.
	close(polite bool)
}

// attempt connects, and serves the connection until it ends. The trouble is nil if another
// is to follow at once.
func (c *Client) attempt() (age time.Duration, t *trouble) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	s := &serving{client: c, cancel: cancel, stream: c.way() == EventStream, asked: map[string]*Subscription{}}
	if s.stream && !s.chooseTopics(ctx) {
		return 0, nil
	}
	timer := time.AfterFunc(c.options.ConnectTimeout, func() { cancel(errConnectTimeout) })
	l, t := c.open(ctx, s)
	if t != nil {
		timer.Stop()
		return 0, s.refusedAll(ctx, t)
	}
	s.link = l
	t = s.serve(ctx, timer)
	timer.Stop()
	cancel(nil) // for the writer
	l.close(c.ctx.Err() != nil)
	s.work.Wait()
	if !s.welcomed.IsZero() {
		age = max(time.Since(s.welcomed), 1)
	}
	return age, t
}

var errConnectTimeout = errors.New("client: no welcome from the server in time")

func (c *Client) open(ctx context.Context, s *serving) (link, *trouble) {
	header, err := c.header(ctx)
	if err != nil {
		e, known := errors.AsType[*push.Error](err)
		return nil, &trouble{err: err, final: known && e.Code.Final()}
	}
	if s.stream {
		return c.openStream(ctx, header, s.topics)
	}
	return c.openSocket(ctx, header)
}
