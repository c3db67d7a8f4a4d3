package ws

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// conn is one client's connection. While the client is silent it has no goroutine, if
// its socket allows that; the hub writes to it.
type conn struct {
	transport *Transport // static, as the next two are
	socket    *websocket.Conn
	session   *session.Session
	receiving sync.WaitGroup // done when nothing more is received

	rest    []*session.Frame // owned by the writer: what TryWrite didn't begin with
	meter   session.Meter    // owned by the reader
	strikes uint8            // owned by the reader

	ended  atomic.Bool // changed with mu held
	mu     sync.Mutex  // guards cancel
	cancel context.CancelFunc
}

var (
	_ session.Conn      = (*conn)(nil)
	_ session.TryWriter = (*conn)(nil)
	_ websocket.Handler = (*conn)(nil)
)

// plain reports whether the client has no subprotocol, and so nothing to send.
func (c *conn) plain() bool { return c.socket.Subprotocol() == "" }

// Write sends frames.
func (c *conn) Write(frames []*session.Frame) error {
	var room fewParts
	frames = append(c.rest, frames...)
	c.rest = nil
	return c.socket.WriteFrames(appendParts(room[:0], frames))
}

// TryWrite sends frames as far as the kernel takes them.
func (c *conn) TryWrite(frames []*session.Frame) (bool, error) {
	var room fewParts
	left, all, err := c.socket.TryWriteFrames(appendParts(room[:0], frames))
	if left > 0 {
		c.rest = slices.Clone(frames[len(frames)-left:])
	}
	return all, err
}

// fewParts is room for the frames of most writes, on the stack.
type fewParts [16][]byte

func appendParts(parts [][]byte, frames []*session.Frame) [][]byte {
	for _, f := range frames {
		parts = append(parts, f.Bytes)
	}
	return parts
}

// End sends the client the reason, if there is one, closes the connection and waits
// until nothing more is received.
func (c *conn) End(reason *push.Error) {
	c.stop()
	if reason != nil {
		if reason.Code != push.CodeDraining {
			writeError(c.socket, reason)
		}
		_ = c.socket.Close(closeCode(reason.Code), closeReason(reason)) // closed either way
	}
	_ = c.socket.CloseNow() // never fails
	c.receiving.Wait()
}

// Abort drops the connection.
func (c *conn) Abort() {
	c.stop()
	_ = c.socket.CloseNow() // never fails
}

func writeError(socket *websocket.Conn, e *push.Error) {
	_ = socket.WriteFrames([][]byte{textFrame(protocol.Error(e)).Bytes}) // the close code says it too
}

// closeReason is what stands in the close frame. For a client that is to come
// back it is the delay in milliseconds.
func closeReason(e *push.Error) string {
	if e.Code == push.CodeDraining {
		return strconv.Itoa(int(session.ReconnectDelay().Milliseconds()))
	}
	return e.Reason
}

// begin gives the context of one request of the client. It ends with the session; end
// has to be called.
func (c *conn) begin() (ctx context.Context, end context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = cancel
	if c.ended.Load() {
		cancel()
	}
	return ctx, func() {
		cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cancel = nil
	}
}

// stop ends the client's request, and those to come.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended.Store(true)
	if c.cancel != nil {
		c.cancel()
	}
}
