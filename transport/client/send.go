package client

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// sending is a message that waits for its answer over a WebSocket.
type sending struct {
	// static
	message push.Message
	request uint64
	answer  chan outcome // of one

	over *serving // the connection that it has left by; guarded by client.mu
}

type outcome struct {
	reply push.Reply
	t     *trouble
}

// errMessage refuses what isn't sent with a message.
var errMessage = push.NewError(push.CodeBadRequest, "a message that is sent has Topic, Event, ID, Data and Encoding only", nil)

// Send sends a message to the server's application and returns its reply. It takes Topic,
// Event, ID, Data and Encoding of m. JSON that is one string arrives as text.
//
// Send waits for a connection, and sends again what was lost with one or is refused for now,
// until ctx ends, or Options.SendTimeout has passed if ctx has no deadline. A message
// without an ID is given one, so that a server that publishes it under its ID stores it
// once.
//
// The error is a [push.Error] with the server's code, or [push.CodeTimeout] if there was no
// answer in time: then the message may have arrived. If nothing was sent, since there was
// no connection in all that time, it is [push.CodeUnavailable] and says so. Both wrap the
// cause of ctx and the last error. If the client ends meanwhile it is that of Err.
func (c *Client) Send(ctx context.Context, m push.Message) (push.Reply, error) {
	if m.Key != "" || len(m.Header) > 0 || m.Replicated {
		return push.Reply{}, errMessage
	}
	if err := prepare(&m); err != nil {
		return push.Reply{}, err
	}
	ctx, cancel := withDefault(ctx, c.options.SendTimeout)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return push.Reply{}, push.NewError(push.CodeUnavailable, "nothing was sent: too many others wait for their answers", context.Cause(ctx))
	case <-c.ctx.Done():
		return push.Reply{}, context.Cause(c.ctx)
	}
	var reply push.Reply
	var last error // of the attempts before
	sent := false
	err := c.backoff.retry(ctx, func() (t *trouble) {
		reply, t = c.sendOnce(ctx, m)
		if t != nil {
			sent = sent || !t.unsent
			if ctx.Err() == nil {
				last = t.err
			}
		}
		return t
	})
	switch {
	case err == nil:
	case c.ctx.Err() != nil:
		err = context.Cause(c.ctx)
	case ctx.Err() != nil && !sent:
		err = c.notSent(ctx, last)
	}
	return reply, err
}

// notSent is the error of a message that found no connection until ctx ended.
func (c *Client) notSent(ctx context.Context, last error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastErr != nil {
		last = c.lastErr
	}
	return push.NewError(push.CodeUnavailable, "nothing was sent: no connection took the message in time", ended(ctx, last))
}

// prepare checks a message's topic, and is prepareParts.
func prepare(m *push.Message) error {
	if err := broker.CheckTopic(m.Topic); err != nil {
		return push.AsError(err)
	}
	return prepareParts(m)
}

// prepareParts checks all of a message but its topic, strips white space from its JSON,
// copies its data, and gives it an ID (UUIDv7, RFC 9562 section 5.7) if it has none.
func prepareParts(m *push.Message) error {
	if m.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return push.AsError(err)
		}
		m.ID = id.String()
	}
	if err := m.CheckParts(maxData); err != nil {
		return err
	}
	m.Data = slices.Clone(m.Data) // a request may be read after it was given up
	return nil
}

// maxData is far more than any server takes.
const maxData = 1 << 30

// withDefault ends a context after a timeout if it has no deadline.
func withDefault(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// sendOnce sends a message by the transport of this moment.
func (c *Client) sendOnce(ctx context.Context, m push.Message) (push.Reply, *trouble) {
	c.mu.Lock()
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		return push.Reply{}, &trouble{err: context.Cause(c.ctx), final: true}
	}
	if c.transport == EventStream {
		c.mu.Unlock()
		return c.sendByPost(ctx, &m)
	}
	c.request++
	s := &sending{message: m, request: c.request, answer: make(chan outcome, 1)}
	c.sends = append(c.sends, s)
	signal(c.changed)
	c.mu.Unlock()
	select {
	case o := <-s.answer:
		if o.t == nil || !errors.Is(o.t.err, errRestart) {
			return o.reply, o.t
		}
		reply, t := c.sendByPost(ctx, &m)
		if t != nil {
			t.unsent = t.unsent && s.over == nil
		}
		return reply, t
	case <-ctx.Done():
		c.answer(s.request, push.Reply{}, nil) // from here on nobody else has s
		return push.Reply{}, &trouble{err: context.Cause(ctx), foreign: true, unsent: s.over == nil}
	}
}

// answer ends the wait of the message that a request has sent, if it was one.
func (c *Client) answer(request uint64, reply push.Reply, t *trouble) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.sends {
		if s.request == request {
			s.answer <- outcome{reply, t}
			c.sends = slices.Delete(c.sends, i, i+1)
			return
		}
	}
}

// answerAll ends the wait of all messages. Called with c.mu held.
func (c *Client) answerAll(err error) {
	for _, s := range c.sends {
		s.answer <- outcome{t: &trouble{err: err, final: true}}
	}
	c.sends = nil
}

// sendByPost sends beside an event stream.
func (c *Client) sendByPost(ctx context.Context, m *push.Message) (push.Reply, *trouble) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })()
	header, err := c.header(ctx)
	if err != nil {
		e, known := errors.AsType[*push.Error](err)
		return push.Reply{}, &trouble{err: err, final: known && e.Code.Final(), unsent: true}
	}
	query := url.Values{"topic": {m.Topic}, "id": {m.ID}}
	if m.Event != "" {
		query.Set("event", m.Event)
	}
	body, t := c.poster.post(ctx, "send", query, header, m)
	if t != nil {
		return push.Reply{}, t
	}
	reply, err := protocol.ParseHTTPReply(body)
	if err != nil {
		return reply, &trouble{err: err, final: true}
	}
	return reply, nil
}
