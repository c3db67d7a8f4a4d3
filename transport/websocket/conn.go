package websocket

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/transport/internal/socket"
)

// readBufferSize is all that a connection that waits in Read keeps for it. Larger
// payloads are read straight to where they are wanted.
const readBufferSize = 512

// Conn is a WebSocket connection. Reads are for one goroutine at a time;
// every other method may be called by any goroutine at any time.
//
// After the connection has closed, from whichever side, every method fails, with an
// error that wraps [net.ErrClosed], or a [CloseError] or [ProtocolError] that says what
// happened.
type Conn struct {
	net         net.Conn
	socket      *socket.Socket // net, if it is a plain socket
	client      bool           // the role: a client masks what it writes, and its peer doesn't
	opts        *settings      // shared with others of the same options
	subprotocol string
	deflate     deflateParams
	handler     Handler // nil without Receive

	// Held while reading, so that Close can take over from an absent reader.
	readLock     lock
	readDeadline deadline
	in           inbox
	readErr      error // why nothing more can be read

	// messageLock is held from the first to the last frame of a message,
	// frameLock for one write call. A control frame needs only the second.
	messageLock   lock
	frameLock     lock
	writeDeadline deadline
	closeSent     bool   // guarded by frameLock
	unsent        []byte // guarded by frameLock: goes before all else, what a write that doesn't wait has left
	held          bool   // guarded by frameLock: unsent is the answer to the handshake, held back
	sentWindow    []byte // guarded by messageLock: what our compressor may refer to

	pings waitingPings

	closeReceived atomic.Bool
	dropped       atomic.Bool
	done          event // the net.Conn is closed
}

func newConn(netConn net.Conn, early []byte, subprotocol string, deflate deflateParams, opts *settings) *Conn {
	c := &Conn{
		net:         netConn,
		socket:      socket.New(netConn),
		opts:        opts,
		subprotocol: subprotocol,
		deflate:     deflate,
	}
	c.readDeadline.conn, c.writeDeadline.conn = c, c
	c.writeDeadline.writing = true
	c.in.start(early)
	return c
}

// Subprotocol returns what was agreed on, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// NetConn returns the connection below, for its addresses and counters. Reading
// or writing there breaks the WebSocket connection.
func (c *Conn) NetConn() net.Conn { return c.net }

// Done returns a channel that is closed once the connection has been closed and
// nothing can be read or written any more.
func (c *Conn) Done() <-chan struct{} { return c.done.wait() }

// setNetDeadline sets a deadline of the connection below.
func (c *Conn) setNetDeadline(writing bool, t time.Time) error {
	switch {
	case writing:
		return c.net.SetWriteDeadline(t)
	case c.socket != nil:
		return c.socket.SetReadDeadline(t)
	default:
		return c.net.SetReadDeadline(t)
	}
}

// SetReadDeadline makes Read, Reader and the reader it returned fail with
// [os.ErrDeadlineExceeded] when t has passed, also a call that is waiting now.
// Zero means no deadline, which is the default. The connection stays open:
// writing and closing work on, and so does reading after the deadline has been
// moved, unless a message had been read in part.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.readDeadline.move(t) }

// CloseNow drops the connection without a closing handshake. It is what to defer after
// Accept and Dial: it does nothing if the connection is closed already. It returns nil.
func (c *Conn) CloseNow() error {
	c.drop(false)
	return nil
}

// drop closes the connection below, once. Politely means that TLS sends its close alert,
// for which it may wait for the peer.
func (c *Conn) drop(politely bool) {
	if !c.dropped.CompareAndSwap(false, true) {
		if !politely {
			socket.Drop(c.net, c.socket) // cuts a polite close short
		}
		<-c.done.wait()
		return
	}
	if politely && c.socket == nil {
		c.net.Close()
	}
	socket.Drop(c.net, c.socket)
	c.done.happen()
}

func (c *Conn) dropNow() { c.drop(false) }
