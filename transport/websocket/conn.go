package websocket

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// readBufferSize is all that an idle connection keeps for reading. Larger
// payloads are read straight to where they are wanted.
const readBufferSize = 512

// Conn is a WebSocket connection. Reads are for one goroutine at a time;
// every other method may be called by any goroutine at any time.
//
// After the connection has closed, from whichever side, what is called fails
// with an error that wraps [net.ErrClosed], or tells in a [CloseError] or
// [ProtocolError] what happened.
type Conn struct {
	net         net.Conn
	opts        AcceptOptions
	subprotocol string
	deflate     deflateParams

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
	sentWindow    []byte // guarded by messageLock: what our compressor may refer to

	pings waitingPings

	closeReceived atomic.Bool
	dropped       atomic.Bool
	done          chan struct{} // closed when the net.Conn is
}

func newConn(netConn net.Conn, early []byte, subprotocol string, deflate deflateParams, opts *AcceptOptions) *Conn {
	c := &Conn{
		net:         netConn,
		opts:        *opts,
		subprotocol: subprotocol,
		deflate:     deflate,
		readLock:    newLock(),
		messageLock: newLock(),
		frameLock:   newLock(),
		done:        make(chan struct{}),
	}
	c.readDeadline.set, c.readDeadline.drop = netConn.SetReadDeadline, c.dropNow
	c.writeDeadline.set, c.writeDeadline.drop = netConn.SetWriteDeadline, c.dropNow
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
func (c *Conn) Done() <-chan struct{} { return c.done }

// SetReadDeadline makes Read, Reader and the reader it returned fail with
// [os.ErrDeadlineExceeded] when t has passed, also a call that is waiting now.
// Zero means no deadline, which is the default. The connection stays open:
// writing and closing work on, and so does reading after the deadline has been
// moved, unless a message had been read in part.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.readDeadline.move(t) }

// CloseNow drops the connection without a closing handshake. It is what to
// defer after Accept: it does nothing if the connection is closed already.
func (c *Conn) CloseNow() error {
	c.drop(false)
	return nil
}

// drop closes the connection below, once. Politely means that TLS says goodbye
// too, for which it may wait for the peer.
func (c *Conn) drop(politely bool) {
	below := c.net
	if wrapped, ok := below.(interface{ NetConn() net.Conn }); ok && !politely {
		below = wrapped.NetConn()
	}
	if !c.dropped.CompareAndSwap(false, true) {
		if !politely {
			below.Close() // cuts a polite goodbye short
		}
		<-c.done
		return
	}
	below.Close()
	close(c.done)
}

func (c *Conn) dropNow() { c.drop(false) }

// lock is a mutex to wait for with a context, a time limit or until the
// connection is gone.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) unlock() { <-l }

// acquire takes l, which is one of c's. timeout limits the wait unless it is 0.
func (c *Conn) acquire(ctx context.Context, l lock, timeout time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case l <- struct{}{}:
		return nil
	default:
	}
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return net.ErrClosed
	case <-expired:
		return os.ErrDeadlineExceeded
	}
}
