package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// firstRead is how much Read allocates on the word of the peer. More is
// allocated only as data arrives.
const firstRead = 4 << 10

// Read waits for the next message and returns it whole. The data belongs to the
// caller.
//
// It fails with a [*CloseError] if the peer closed the connection, with a
// [*ProtocolError] if it broke the protocol, sent text that isn't UTF-8 or a
// message over MaxMessage, and with [io.ErrUnexpectedEOF] or the error of the
// network if the connection broke; in all these cases the connection is closed.
// When ctx ends or the read deadline passes, the connection is still open for
// writing and for Close; a message of which a part had arrived is lost and with
// it all further reading, else Read may be called again.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	var typ MessageType
	var data []byte
	err := c.whileReading(ctx, func() (err error) {
		typ, data, err = c.read()
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return typ, data, nil
}

func (c *Conn) read() (typ MessageType, data []byte, err error) {
	if err = c.nextMessage(); err == nil {
		typ = c.in.typ
		data, err = c.readWhole()
	}
	return typ, data, err
}

// whileReading calls read with readLock held, for no longer than ctx, and deals with
// its failure. io.EOF is the end of a message and not a failure.
func (c *Conn) whileReading(ctx context.Context, read func() error) error {
	if err := c.acquire(ctx, &c.readLock, 0); err != nil {
		return fmt.Errorf("websocket: read: %w", err)
	}
	defer c.readLock.unlock()
	if c.readErr == nil && c.dropped.Load() {
		c.readErr = fmt.Errorf("websocket: read: %w", net.ErrClosed)
	}
	if c.readErr != nil {
		return c.readErr
	}
	release := c.readDeadline.bind(ctx)
	defer release()
	err := read()
	c.flushPongs()
	if err == nil || err == io.EOF {
		return err
	}
	return c.readFailed(ctx, err)
}

// readFailed does what an error asks for and returns it as the caller sees it.
func (c *Conn) readFailed(ctx context.Context, err error) error {
	var broken *ProtocolError
	var closed *CloseError
	var refused *handlerError
	switch {
	case err == errNothing:
		return err
	case err == errOldReader:
		return fmt.Errorf("websocket: read: %w", err)
	case errors.As(err, &closed), errors.As(err, &refused):
	case errors.As(err, &broken):
		payload, _ := closePayload(broken.Code, broken.Reason)
		c.finish(payload, true)
	case c.dropped.Load():
		err = net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if !c.in.open {
			return fmt.Errorf("websocket: read: %w", err)
		}
	default:
		c.drop(false)
	}
	c.in.endMessage()
	c.readErr = fmt.Errorf("websocket: read: %w", err)
	return c.readErr
}

// nextMessage skips what is left of the current message and waits for the first
// frame of the next one. readLock is held, as for all that follows.
func (c *Conn) nextMessage() error {
	if c.in.open {
		scratch := takeBuffer()
		defer giveBuffer(scratch)
		for c.in.open {
			if _, err := c.readMessage(scratch[:]); err != nil && err != io.EOF {
				return err
			}
		}
	}
	c.in.reader = nil
	h, err := c.nextHeader()
	if err != nil {
		return err
	}
	return c.in.openMessage(h, c.opts.maxMessage)
}

// readWhole reads the current message to its end.
func (c *Conn) readWhole() ([]byte, error) {
	in := &c.in
	p := make([]byte, 0, min(in.remaining, firstRead))
	if err := c.hold(cap(p)); err != nil {
		return nil, err
	}
	for {
		if len(p) == cap(p) && !in.allRead() {
			size := max(2*cap(p), 512)
			if in.final && !in.compressed {
				size = int(min(int64(size), int64(len(p))+in.remaining))
			}
			if err := c.hold(size); err != nil {
				return nil, err
			}
			p = append(make([]byte, 0, size), p...)
		}
		n, err := c.readMessage(p[len(p):cap(p)])
		p = p[:len(p)+n]
		if err == io.EOF {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// readMessage reads checked data of the current message. At its end it returns
// io.EOF, and there is no current message any more.
func (c *Conn) readMessage(p []byte) (n int, err error) {
	in := &c.in
	if in.compressed {
		n, err = c.readInflated(p)
	} else {
		n, err = c.readPayload(p)
	}
	in.delivered += int64(n)
	if limit := c.opts.maxMessage; limit > 0 && in.delivered > limit {
		return 0, errTooBig
	}
	if in.typ == Text && (!in.text.add(p[:n]) || err == io.EOF && !in.text.complete()) {
		return 0, errNotUTF8
	}
	if err == io.EOF {
		in.endMessage()
	}
	return n, err
}

// readPayload reads what the current message's frames carry, unmasked.
func (c *Conn) readPayload(p []byte) (int, error) {
	in := &c.in
	for in.remaining == 0 {
		if in.final {
			return 0, io.EOF
		}
		h, err := c.nextHeader()
		if err != nil {
			return 0, err
		}
		if err := in.openFragment(h, c.opts.maxMessage); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > in.remaining {
		p = p[:in.remaining]
	}
	n, err := c.readRaw(p)
	if in.key != 0 {
		in.key = unmask(p[:n], in.key)
	}
	in.remaining -= int64(n)
	return n, err
}

// readRaw reads bytes as they come from the network: straight into p when
// nothing is buffered and p is large.
func (c *Conn) readRaw(p []byte) (int, error) {
	in := &c.in
	if in.buffered() == 0 {
		if len(p) >= readBufferSize {
			c.flushPongs()
			return networkRead(c.net, p)
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.from:in.to])
	in.from += n
	return n, nil
}

// nextHeader waits for the header of a data frame. Control frames on the way
// are dealt with; neither they nor headers are consumed before they are whole, so
// that a wait can be given up and taken up again.
func (c *Conn) nextHeader() (frameHeader, error) {
	in := &c.in
	for {
		h, size, err := parseFrameHeader(in.buf[in.from:in.to], c.deflate.on, !c.client)
		if err != nil {
			return h, err
		}
		if size > 0 && !h.op.isControl() {
			if err := c.count(); err != nil {
				return h, err
			}
			in.from += size
			in.spend(frameGrace)
			return h, nil
		}
		whole := size + int(h.length)
		if size == 0 || in.buffered() < whole {
			if in.polling && !in.open {
				if in.polls == 0 {
					return h, errNothing
				}
				in.polls--
			}
			if err := c.fill(); err != nil {
				return h, err
			}
			continue
		}
		if err := c.count(); err != nil {
			return h, err
		}
		payload := in.buf[in.from+size : in.from+whole]
		in.from += whole
		in.spend(frameGrace)
		unmask(payload, h.key) // a key of 0 changes nothing
		if err := c.handleControl(h.op, payload); err != nil {
			return h, err
		}
	}
}

// skipFrame drops the rest of the current frame and opens the next one.
func (c *Conn) skipFrame() error {
	in := &c.in
	for in.remaining > 0 {
		if in.buffered() == 0 {
			if err := c.fill(); err != nil {
				return err
			}
		}
		n := min(int64(in.buffered()), in.remaining)
		in.from += int(n)
		in.remaining -= n
	}
	h, err := c.nextHeader()
	if err == nil { // else it is still in the buffer, whole or in part
		in.remaining = h.length
	}
	return err
}

// fill waits for at least one more byte to buffer.
func (c *Conn) fill() error {
	c.flushPongs()
	in := &c.in
	in.pause()
	in.makeRoom()
	n, err := networkRead(c.net, in.buf[in.to:])
	in.to += n
	in.spend(n)
	return err
}

// networkRead reads at least one byte or returns an error, which isn't io.EOF.
func networkRead(r io.Reader, p []byte) (int, error) {
	for range 100 {
		n, err := r.Read(p)
		switch {
		case n > 0:
			return n, nil // an error that comes along will come again
		case err == io.EOF:
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}
