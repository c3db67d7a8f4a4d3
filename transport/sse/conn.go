package sse

import (
	"cmp"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// conn is one event stream. It begins as the response of a request, and stays that
// over HTTP/2; over HTTP/1 the connection is taken out of the server's hands (see
// open), so that the handler can return.
type conn struct {
	watchdog *watchdog // static
	watch    watch

	// owned by the writer, set up before the first frame
	cursors cursors
	unsent  [][]byte         // goes before all else
	rest    []*session.Frame // what TryWrite didn't begin with

	mu      sync.Mutex // guards the rest; not held during writes
	out     output
	opened  bool        // the client gets a stream, and not an error
	begun   bool        // something was written
	aborted bool        // nothing more can be written
	late    bool        // because a write took too long
	ended   bool        // End was called
	reason  *push.Error // that End was given
}

// output is where a stream goes to.
type output interface {
	io.Writer
	SetWriteDeadline(time.Time) error
	Flush() error
	// Begin is called before the first Write.
	Begin()
	// End is called after the last Write. Politely means that the client may be there
	// to be told.
	End(politely bool)
	// Abort makes a Write or End that is under way return soon.
	Abort(ended bool)
}

// joinSize is what is joined to one write at most.
const joinSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([joinSize]byte) }}

// begin gives the output for a write.
func (c *conn) begin() (output, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.broken(); err != nil {
		return nil, err
	}
	if !c.begun {
		c.begun = true
		c.out.Begin()
	}
	return c.out, nil
}

// Write sends events, within the time that the watchdog gives.
func (c *conn) Write(frames []*session.Frame) error {
	c.watchdog.begin(c)
	err := c.writeAll(frames)
	c.watchdog.end(c)
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.broken(), err)
}

// broken is why nothing more can be written; nil if it can. Called with c.mu held.
func (c *conn) broken() error {
	switch {
	case c.late:
		return os.ErrDeadlineExceeded
	case c.aborted:
		return net.ErrClosed
	default:
		return nil
	}
}

func (c *conn) writeAll(frames []*session.Frame) error {
	out, err := c.begin()
	if err != nil {
		return err
	}
	unsent, w := c.unsent, (*waiting)(c)
	if len(c.rest) > 0 {
		frames = append(c.rest, frames...)
	}
	c.rest, c.unsent = nil, nil
	for _, p := range unsent {
		if err := w.write(p, true); err != nil {
			return err
		}
	}
	if _, err := c.join(frames, w); err != nil {
		return err
	}
	return out.Flush()
}

// TryWrite sends events as far as the kernel takes them.
func (c *conn) TryWrite(frames []*session.Frame) (bool, error) {
	out, err := c.begin()
	if err != nil {
		return false, err
	}
	taken, ok := out.(*connection)
	if !ok || taken.socket == nil {
		c.rest = slices.Clone(frames)
		return false, nil
	}
	head := c.unsent
	c.unsent = nil
	for _, p := range head {
		if err := c.write(p, true); err != nil {
			return false, err
		}
	}
	left, err := c.join(frames, c)
	if err != nil {
		return false, err
	}
	c.rest = slices.Clone(left)
	return !c.full(), nil
}

// writer takes bytes that belong together. What is shared nobody changes.
type writer interface {
	write(p []byte, shared bool) error
	full() bool // it would have to keep what it is given
}

// waiting writes all, however long that takes.
type waiting conn

func (*waiting) full() bool { return false }

func (w *waiting) write(p []byte, _ bool) error {
	if len(p) == 0 {
		return nil
	}
	_, err := w.out.Write(p)
	return err
}

func (c *conn) full() bool { return len(c.unsent) > 0 }

// write is for TryWrite: it writes what the kernel takes, and keeps the rest.
func (c *conn) write(p []byte, shared bool) (err error) {
	n := 0
	if !c.full() && len(p) > 0 {
		if n, err = c.out.(*connection).socket.TryWrite(p); err != nil {
			return err
		}
	}
	if p = p[n:]; len(p) > 0 && !shared {
		p = slices.Clone(p)
	}
	if len(p) > 0 {
		c.unsent = append(c.unsent, p)
	}
	return nil
}

// join writes frames, joined as far as they are small. It leaves those that it hasn't
// begun with when w is full.
func (c *conn) join(frames []*session.Frame, w writer) (left []*session.Frame, err error) {
	if len(frames) == 1 {
		if shared := c.cursors.shared(frames[0]); shared != nil {
			c.cursors.move(frames[0])
			return nil, w.write(shared, true)
		}
	}
	buffer := buffers.Get().(*[joinSize]byte)
	defer buffers.Put(buffer)
	joined := buffer[:0]
	for i, f := range frames {
		if len(joined) > 0 && len(joined)+len(f.Bytes)+cursor.MaxBytes > joinSize {
			if err := w.write(joined, false); err != nil {
				return nil, err
			}
			joined = buffer[:0]
		}
		if w.full() {
			return frames[i:], nil
		}
		c.cursors.move(f)
		var own []byte
		if joined, own = c.cursors.append(joined, f); own == nil {
			continue
		}
		// It is written from where it is.
		if err := w.write(joined, false); err != nil {
			return nil, err
		}
		if err := w.write(own, true); err != nil {
			return nil, err
		}
		joined = buffer[:0]
	}
	return nil, w.write(joined, false)
}

// open makes it a stream with these cursors, and takes the connection over if it can.
func (c *conn) open(cursors cursors, takeOver func() (*connection, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun || c.ended || c.aborted {
		return // it ends before it begins, and its cursors are the writer's
	}
	c.opened = true
	c.cursors = cursors
	if takeOver == nil {
		return
	}
	taken, err := takeOver()
	if err != nil {
		return // it stays a response
	}
	c.out, c.unsent = taken, [][]byte{taken.head}
	taken.head = nil
}

// unanswered gives the error that answers the request of a stream which has ended
// before it began; nil if the client has got something.
func (c *conn) unanswered() *push.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.begun:
		return nil
	case c.reason == nil:
		return push.NewError(push.CodeUnavailable, "", nil) // nobody is there to read it
	default:
		return c.reason
	}
}

// gone gives the reason for which a stream ends whose request has ended: nil if the
// client has ended it, and not the watchdog.
func (c *conn) gone() *push.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.late {
		return push.NewError(push.CodeSlowConsumer, "", nil)
	}
	return nil
}

// taken gives the connection if it was taken over.
func (c *conn) taken() *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken, _ := c.out.(*connection)
	return taken
}

// End sends the client the reason, if there is one, and ends the stream.
func (c *conn) End(reason *push.Error) {
	c.mu.Lock()
	tell := c.opened && reason != nil && reason.Code != push.CodeDraining
	c.mu.Unlock()
	if tell {
		_ = c.Write([]*session.Frame{failure(reason)}) // the stream ends either way
	}
	c.mu.Lock()
	c.ended, c.reason = true, reason
	out, politely := c.out, reason != nil && !c.aborted
	c.mu.Unlock()
	out.End(politely)
}

// Abort makes a write that is under way fail.
func (c *conn) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	c.out.Abort(c.ended)
}
