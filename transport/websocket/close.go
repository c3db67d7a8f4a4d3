package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// quietTime is how long nothing has to come before the end of a connection for
// the peer to count as having nothing more to send.
const quietTime = 100 * time.Millisecond

// Close does the closing handshake of RFC 6455 section 7: it sends a close
// frame, waits for the peer's and closes the connection, within CloseTimeout.
// Messages that still arrive are dropped, unless another goroutine is in Read.
// The reason is for the peer and cut to 123 bytes.
//
// The connection is closed when Close returns, whatever it returns. The error
// is nil if the peer answered. It wraps [os.ErrDeadlineExceeded] if the peer
// didn't in time and [net.ErrClosed] if the connection had closed before. A
// code that must not be sent is an error as well; the peer then gets
// StatusInternalError.
func (c *Conn) Close(code StatusCode, reason string) error {
	err := c.close(code, reason)
	if err != nil {
		return fmt.Errorf("websocket: close: %w", err)
	}
	return nil
}

func (c *Conn) close(code StatusCode, reason string) error {
	payload, invalid := closePayload(code, reason)
	if invalid != nil {
		payload, _ = closePayload(StatusInternalError, "")
	}
	if c.dropped.Load() {
		return net.ErrClosed
	}
	timer := time.AfterFunc(c.opts.closeTimeout, c.dropNow)
	c.readDeadline.lift()
	c.sendClose(payload) // nothing to do about a failure but to go on
	err := c.awaitClose()
	c.drop(true)
	inTime := timer.Stop()
	switch {
	case invalid != nil:
		return invalid
	case c.closeReceived.Load():
		return nil
	case !inTime:
		return os.ErrDeadlineExceeded
	}
	return err
}

// WriteClose sends a close frame and doesn't wait. No other frame can be written
// after it. It is for a program that has a goroutine in Read: there the peer's
// answer arrives as a [CloseError] and closes the connection. Nothing drops the
// connection of a peer that doesn't answer, other than Close, CloseNow or a
// read deadline. The error wraps [net.ErrClosed] if a close frame has already
// been sent.
func (c *Conn) WriteClose(code StatusCode, reason string) error {
	payload, err := closePayload(code, reason)
	if err == nil {
		err = c.sendClose(payload)
	}
	if err != nil {
		return fmt.Errorf("websocket: write close: %w", err)
	}
	return nil
}

func (c *Conn) sendClose(payload []byte) error {
	if err := c.acquire(context.Background(), &c.frameLock, c.opts.writeTimeout); err != nil {
		return err
	}
	defer c.frameLock.unlock()
	if c.closeSent {
		return net.ErrClosed
	}
	c.closeSent = true
	return c.writeParts([][]byte{appendControl(nil, opClose, payload)})
}

// awaitClose reads until the peer's close frame, unless someone else does.
func (c *Conn) awaitClose() error {
	if err := c.acquire(context.Background(), &c.readLock, 0); err != nil {
		return err
	}
	defer c.readLock.unlock()
	c.in.grace = maxGrace
	for !c.dropped.Load() {
		err := c.skipFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue // a context of a reader that has just left
		}
		if err != nil {
			c.in.endMessage()
			if c.readErr == nil {
				c.readErr = fmt.Errorf("websocket: read: %w", net.ErrClosed)
			}
			return err
		}
	}
	return net.ErrClosed
}

// answerClose completes a handshake that the peer began, or answered. readLock
// is held.
func (c *Conn) answerClose(payload []byte) error {
	closed, err := parseClosePayload(payload)
	if err != nil {
		return err
	}
	c.closeReceived.Store(true)
	c.finish(payload, c.in.buffered() > 0) // nothing may follow a close frame, but it happens
	return closed
}

// finish sends a close frame, unless that has been done, and closes the
// connection, within CloseTimeout. readLock is held.
//
// Closing a TCP connection while data of the peer waits unread resets it, and a
// reset may destroy the close frame before the peer has read it. So finish closes
// for writing first and reads on, until the peer closes as well: that takes one
// round trip. A peer that isn't known to be still sending may also just be quiet.
func (c *Conn) finish(payload []byte, sending bool) {
	timer := time.AfterFunc(c.opts.closeTimeout, c.dropNow)
	defer timer.Stop()
	c.readDeadline.lift()
	c.flushPongs() // what came before the end is answered before it
	c.sendClose(payload)
	half, tcp := c.net.(interface{ CloseWrite() error })
	if tcp {
		tcp = half.CloseWrite() == nil
	}
	if tcp || sending {
		c.drain(tcp && sending)
	}
	c.drop(true)
}

// drain reads and forgets until the peer closes or, unless it is expected to send
// all the time, is quiet.
func (c *Conn) drain(busy bool) {
	scratch := takeBuffer()
	defer giveBuffer(scratch)
	c.in.grace = maxGrace
	for err := error(nil); err == nil && !c.dropped.Load(); {
		if !busy {
			_ = c.setNetDeadline(false, time.Now().Add(quietTime)) // a closed connection needs none
		}
		c.in.pause()
		var n int
		n, err = c.net.Read(scratch[:])
		c.in.spend(n)
	}
}
