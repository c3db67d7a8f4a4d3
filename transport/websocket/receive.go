package websocket

import "context"

// Handler is given what [Conn.Receive] reads. Its methods are called one at a time, by
// goroutines that change.
type Handler interface {
	// Message is called with each message that has arrived whole. The data belongs to
	// the Handler. Nothing is read until it returns; false means that nothing more is
	// to be received.
	Message(typ MessageType, data []byte) bool

	// Ended is called last, and once: with what [Conn.Read] would have returned, or
	// with nil after Message has returned false. The connection isn't closed by that
	// unless the error of Read means so.
	Ended(err error)

	// Frame is called for each frame that has arrived, of data or control, before it is
	// looked at. An error ends the receiving, and is wrapped by what Ended gets; the
	// connection stays open. It serves to limit floods.
	Frame() error

	// Hold is called with a change in the number of bytes that a message holds of which
	// a part has arrived: more as it grows, and all of them less after Message has
	// returned true. Messages of at most 512 bytes don't count. An error has the effect
	// that one of Frame has; of a negative number it is ignored.
	Hold(bytes int) error

	// Pong is called for each pong but those in the middle of a message: a peer that is
	// slow with a message gains no time by pongs.
	Pong()
}

// handlerError is an error of the connection's handler.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

// Receive begins to read all messages, for h, and returns at once. While the peer is
// silent it holds neither a goroutine nor a buffer, if the connection is
// [Conn.Nonblocking]; else it holds one goroutine. It may be called once, and Read and
// Reader not at all with it. Closing the connection ends it. h must not be nil.
func (c *Conn) Receive(h Handler) {
	if h == nil {
		panic("websocket: Receive needs a Handler")
	}
	c.handler = h
	switch {
	case c.socket == nil:
		go c.receiveAll()
	case c.hasEarly():
		go c.receive(0)
	default:
		c.socket.OnReadable(c.readable)
	}
}

// Nonblocking reports whether the connection can be written by [Conn.TryWriteFrames] and
// costs no goroutine while [Conn.Receive] waits: it can over TCP and Unix sockets on
// POSIX systems, and never over TLS.
func (c *Conn) Nonblocking() bool { return c.socket != nil }

// hasEarly reports whether a part of the first message has come with the handshake. If
// the connection is being closed that doesn't matter any more.
func (c *Conn) hasEarly() bool {
	if taken, _ := c.readLock.try(false); !taken {
		return false
	}
	defer c.readLock.unlock()
	return c.in.buffered() > 0
}

// receiveAll receives until the end of the connection.
func (c *Conn) receiveAll() {
	for c.handle(c.receiveOne(false, 0)) {
	}
}

func (c *Conn) readable() { c.receive(1) }

// receive takes what the peer has sent, with as many reads from the network as are known
// not to wait. Then it waits again, on a fresh goroutine if any, so that none keeps the
// stack that this one has come to need.
func (c *Conn) receive(polls int) {
	for {
		typ, data, err := c.receiveOne(true, polls)
		if err == errNothing {
			c.socket.OnReadable(c.readable)
			return
		}
		if !c.handle(typ, data, err) {
			return
		}
		polls = 0
	}
}

// receiveOne is Read for the handler. Polling, it returns errNothing instead of waiting
// for a message to begin, and then holds no buffer without need; polls is how many reads
// from the network are known not to wait.
func (c *Conn) receiveOne(polling bool, polls int) (typ MessageType, data []byte, err error) {
	err = c.whileReading(context.Background(), func() (err error) { // it ends with the connection
		in := &c.in
		in.handled, in.polling, in.polls = true, polling, polls
		typ, data, err = c.read()
		in.handled, in.polling = false, false
		if polling {
			in.rest()
		}
		return err
	})
	return typ, data, err
}

// handle gives the handler what receiveOne has returned; false if that was the last.
func (c *Conn) handle(typ MessageType, data []byte, err error) bool {
	if err != nil {
		c.handler.Ended(err)
		return false
	}
	if !c.handler.Message(typ, data) {
		c.handler.Ended(nil)
		return false
	}
	if held := c.in.held; held > 0 {
		c.in.held = 0
		_ = c.handler.Hold(-held) // less always fits
	}
	return true
}

// hold reports to the handler what the current message holds: its data and an inflater,
// but nothing as small as the buffer that any connection needs to read.
func (c *Conn) hold(size int) error {
	if !c.in.handled || size <= readBufferSize {
		return nil
	}
	if c.in.compressed {
		size += inflaterSize
	}
	if err := c.handler.Hold(size - c.in.held); err != nil {
		return &handlerError{err}
	}
	c.in.held = size
	return nil
}

// count reports a frame to the handler that is about to be taken.
func (c *Conn) count() error {
	if c.in.handled {
		if err := c.handler.Frame(); err != nil {
			return &handlerError{err}
		}
	}
	return nil
}
