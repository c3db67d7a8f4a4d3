package pushtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// link is one connection.
type link interface {
	// read waits for the next frame. The error is a *refusal if the server has refused it.
	read() ([]byte, error)
	// write sends a frame; only a WebSocket can.
	write(frame []byte) error
	// close ends the connection, and a read that waits.
	close()
}

// refusal is why a connection is refused, or was ended by the server.
type refusal struct {
	err    error
	final  bool
	after  time.Duration
	topics []protocol.Answer // if each topic was refused by itself
	status string            // of an answer that isn't this protocol's
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refused(f *protocol.Failure) *refusal {
	return &refusal{err: f.Error(), final: f.Final(), after: f.After, topics: f.Topics}
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return c.to.listener.dial(ctx, c.visitor)
}

// address is the URL of a route.
func (c *Client) address(route string) string {
	return "http://" + host + "/" + strings.TrimPrefix(strings.Trim(c.to.path, "/")+"/", "/") + route
}

// header is that of one request.
func (c *Client) header() http.Header { return c.options.header.Clone() }

// run connects again and again until the client ends.
func (c *Client) run() {
	failures := 0
	for {
		wanted := waitUntil(&c.board, c.ctx.Done(), func() bool { return !c.away && (c.wanted || len(c.topics) > 0) })
		if !wanted {
			return
		}
		welcomed, err := c.connect()
		if c.ctx.Err() != nil {
			return
		}
		if welcomed {
			failures = 0
		}
		again, end := false, error(nil)
		refusal, isRefusal := errors.AsType[*refusal](err)
		if isRefusal && refusal.final {
			end = refusal.err
		}
		c.board.update(func() {
			again, c.again = c.again || c.away || err == nil, false
			c.last = err
			if end != nil && !again {
				c.ended = end
			}
		})
		switch {
		case again:
			continue
		case end != nil:
			return
		}
		pause := min(20*time.Millisecond<<failures, time.Second)
		if isRefusal {
			pause = max(pause, refusal.after)
		}
		failures = min(failures+1, 10)
		c.pause(pause)
	}
}

// connect opens a connection and reads it until it ends. The error is nil if another is to
// follow at once.
func (c *Client) connect() (welcomed bool, err error) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	c.board.update(func() {
		c.again = false
		for _, f := range c.topics {
			f.asked, f.confirmed = false, false
		}
	})
	var l link
	switch c.options.transport {
	case EventStream:
		l, err = c.openStream(ctx)
	case Poll:
		l = c.openPoll(ctx)
	default:
		l, err = c.openSocket(ctx)
	}
	if err != nil {
		return false, c.refusedAll(err)
	}
	c.board.update(func() { c.link = l })
	welcomed, err = c.read(l)
	l.close()
	c.board.update(func() {
		c.link, c.session, c.ready = nil, "", false
		for _, f := range c.topics {
			f.confirmed = false
		}
		for id, waiting := range c.replies {
			waiting <- answer{err: errCut}
			delete(c.replies, id)
		}
	})
	return welcomed, c.refusedAll(err)
}

// read takes frames until the connection ends.
func (c *Client) read(l link) (welcomed bool, err error) {
	var ending error // what the server has said of the end that is to come
	for {
		text, err := l.read()
		if err != nil {
			if ending != nil {
				err = ending
			}
			return welcomed, err
		}
		frame, err := protocol.ParseFrame(text)
		if err != nil {
			return welcomed, err
		}
		switch frame.Type {
		case protocol.TypePing:
			if err := l.write(protocol.Pong()); err != nil {
				return welcomed, err
			}
		case protocol.TypeReconnect:
			ending = &refusal{err: push.NewError(push.CodeDraining, "the server asks to reconnect", nil), after: frame.After}
		case protocol.TypeError:
			if !frame.IsAnswer {
				ending = refused(frame.Failure)
			}
		}
		c.board.update(func() { c.take(&frame) })
		if frame.Type == protocol.TypeReconnect && c.options.transport == Poll {
			return welcomed, ending // nobody closes the connection
		}
		if frame.Type == protocol.TypeWelcome {
			welcomed = true
			c.ask()
		}
	}
}

// refusedAll notes what became of topics that were all refused, so that nothing is wrong
// with the connection.
func (c *Client) refusedAll(err error) error {
	refusal, ok := errors.AsType[*refusal](err)
	if !ok || len(refusal.topics) == 0 {
		return err
	}
	c.board.update(func() {
		for _, a := range refusal.topics {
			c.answer(a)
		}
	})
	return nil
}

// ask asks for the topics that weren't asked for over this connection.
func (c *Client) ask() {
	var l link
	var frame []byte
	c.board.update(func() {
		if c.link == nil {
			return // the next connection asks
		}
		var missing []protocol.Follow
		for _, f := range c.topics {
			if !f.asked {
				missing = append(missing, f.request())
			}
		}
		if len(missing) == 0 {
			return
		}
		l = c.link
		if c.options.transport != WebSocket {
			c.again = true
			return
		}
		if !c.ready {
			l = nil // the welcome does it
			return
		}
		for _, f := range c.topics {
			f.asked = true
		}
		c.request++
		frame = protocol.Subscribe(c.request, missing)
	})
	switch {
	case l == nil:
	case frame == nil:
		l.close()
	default:
		_ = l.write(frame) // a connection that is broken is read to its end
	}
}

func (f *followed) request() protocol.Follow {
	recent := f.recent
	if f.granted {
		recent = 0
	}
	return protocol.Follow{Topic: f.topic, Since: f.cursor, Recent: recent, State: f.state != nil}
}

// take acts on a frame. Called with the board locked.
func (c *Client) take(frame *protocol.Frame) {
	switch frame.Type {
	case protocol.TypeWelcome:
		c.session, c.ready = frame.Session, true
		for _, a := range frame.Answers {
			c.answer(a)
		}
	case protocol.TypeSubscribed:
		for _, a := range frame.Answers {
			c.answer(a)
		}
	case protocol.TypeMessage:
		if f := c.confirmed(frame.Message.Topic); f != nil {
			f.move(frame.At)
			m := frame.Message
			if frame.At != "" {
				m.Position = f.position()
			}
			c.events = append(c.events, event(&m))
		}
	case protocol.TypeGap:
		if f := c.confirmed(frame.Gap.Topic); f != nil {
			f.cursor = frame.Cursor
			gap := frame.Gap
			c.events = append(c.events, Event{Topic: f.topic, Gap: &gap})
		}
	case protocol.TypeState, protocol.TypeSynced, protocol.TypeReset:
		if f := c.confirmed(frame.State.Topic); f != nil && f.state != nil {
			c.takeState(f, frame)
		}
	case protocol.TypeReply:
		c.reply(frame.Request, answer{reply: frame.Reply})
	case protocol.TypeError:
		if frame.IsAnswer {
			c.reply(frame.Request, answer{err: frame.Failure.Error()})
		}
	}
}

func (c *Client) takeState(f *followed, frame *protocol.Frame) {
	switch frame.Type {
	case protocol.TypeReset:
		f.state.reset()
		f.cursor = ""
		c.events = append(c.events, Event{Topic: f.topic, Reset: frame.State.Reason})
	case protocol.TypeSynced:
		f.state.complete, f.cursor = true, frame.Cursor
	default:
		f.state.take(frame.State.Changes)
		f.move(frame.At)
	}
}

// move moves the topic's cursor, as docs/protocol.md says.
func (f *followed) move(at string) {
	if at != "" && len(f.cursor) >= cursor.Constant {
		f.cursor = f.cursor[:cursor.Constant] + at
	}
}

// confirmed returns a topic that the server has confirmed.
func (c *Client) confirmed(topic string) *followed {
	if f := c.find(topic); f != nil && f.confirmed {
		return f
	}
	return nil
}

// answer takes what became of a topic. Called with the board locked.
func (c *Client) answer(a protocol.Answer) {
	f := c.find(a.Topic)
	switch {
	case f == nil || f.confirmed && a.Failure == nil:
	case a.Failure == nil:
		f.asked, f.confirmed, f.granted = true, true, true
		f.cursor = a.Cursor
		if f.state != nil && a.From == protocol.FromSnapshot {
			f.state.reset()
		}
	case f.granted && !a.Failure.Final():
		// It is refused for now, so it is asked for again with the next connection.
		f.asked, f.confirmed = true, false
	default:
		f.refused = a.Failure.Error()
		c.drop(f)
		if f.granted {
			c.events = append(c.events, Event{Topic: f.topic, Refused: f.refused})
		}
	}
}

// drop ends the following of a topic. Called with the board locked.
func (c *Client) drop(f *followed) {
	for i, other := range c.topics {
		if other == f {
			c.topics = append(c.topics[:i:i], c.topics[i+1:]...)
			return
		}
	}
}
