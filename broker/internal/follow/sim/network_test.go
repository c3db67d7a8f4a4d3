//clock:virtual

package sim

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// simListener hands out connections in memory.
type simListener struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
	dialed   atomic.Int64
}

func newSimListener() *simListener {
	return &simListener{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *simListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *simListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *simListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// dial makes a connection whose buffers hold so many bytes, and from which no more
// than slice are read at once. The server finds every other one to be a socket, which
// it can write without waiting.
func (l *simListener) dial(buffer, slice int) (*simConn, error) {
	down, up := newSimPipe(buffer, slice), newSimPipe(64<<10, slice)
	client, server := &simConn{in: down, out: up}, &simConn{in: up, out: down}
	accepted := net.Conn(server)
	if l.dialed.Add(1)%2 == 0 {
		accepted = simSocket{server}
	}
	select {
	case l.accepted <- accepted:
		return client, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	}
}

// simConn is one end of a connection.
type simConn struct{ in, out *simPipe }

func (c *simConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *simConn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both ways: the peer reads what is under way, and then the end.
func (c *simConn) Close() error {
	c.in.end(net.ErrClosed, net.ErrClosed, true)
	c.out.end(io.EOF, net.ErrClosed, false)
	return nil
}

// cut ends the connection in both directions. With reset what is under way is lost.
func (c *simConn) cut(reset bool) {
	for _, p := range []*simPipe{c.in, c.out} {
		if reset {
			p.end(syscall.ECONNRESET, syscall.ECONNRESET, true)
		} else {
			p.end(io.EOF, syscall.EPIPE, false)
		}
	}
}

// cutAfter resets the connection once so many more bytes have come from the peer,
// in the middle of whatever it was.
func (c *simConn) cutAfter(n int) {
	c.in.mu.Lock()
	c.in.left, c.in.onSpent = n, func() { c.cut(true) }
	c.in.mu.Unlock()
}

// repair ends what stall does, and takes back what cutAfter is to do.
func (c *simConn) repair() {
	c.stall(false)
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.onSpent = nil
}

// stall makes nothing arrive any more, or again. What is written is taken as long
// as there is room, as by a peer that is gone without a word.
func (c *simConn) stall(stalled bool) {
	for _, p := range []*simPipe{c.in, c.out} {
		p.mu.Lock()
		p.stalled = stalled
		p.changed.Broadcast()
		p.mu.Unlock()
	}
}

// simSocket is a connection that does what a plain socket does.
type simSocket struct{ *simConn }

// TryWrite writes what there is room for.
func (c simSocket) TryWrite(p []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.put(p)
}

// OnReadable calls f when there is something to read, or the end.
func (c simSocket) OnReadable(f func()) {
	go func() {
		c.in.awaitReadable()
		f()
	}()
}

func (c *simConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *simConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.reading, t)
	return nil
}

func (c *simConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writing, t)
	return nil
}

func (c *simConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *simConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// simPipe is one direction of a connection: a bounded buffer.
type simPipe struct {
	// static
	limit, slice int

	mu                sync.Mutex // guards the rest
	changed           *sync.Cond
	data              []byte
	left              int // bytes until onSpent is called, if it is set
	onSpent           func()
	stalled           bool
	readErr, writeErr error // why it has ended; what is left is read before readErr
	reading, writing  deadline
}

// deadline is one end's.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func newSimPipe(limit, slice int) *simPipe {
	p := &simPipe{limit: limit, slice: slice}
	p.changed = sync.NewCond(&p.mu)
	return p
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (p *simPipe) setDeadline(d *deadline, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if !at.IsZero() {
		if left := time.Until(at); left > 0 {
			d.timer = time.AfterFunc(left, p.changed.Broadcast)
		}
	}
	p.changed.Broadcast()
}

func (p *simPipe) read(b []byte) (int, error) {
	p.mu.Lock()
	spent := func() {}
	defer func() {
		p.mu.Unlock()
		spent()
	}()
	for {
		arrived := len(p.data) > 0 && !p.stalled
		switch {
		case p.reading.passed():
			return 0, os.ErrDeadlineExceeded
		case arrived:
			n := copy(b[:min(len(b), p.slice)], p.data)
			if p.onSpent != nil {
				if n = min(n, p.left); p.left == n {
					spent = p.onSpent
					p.onSpent = nil
				}
				p.left -= n
			}
			p.data = p.data[n:]
			p.changed.Broadcast()
			return n, nil
		case p.readErr != nil && !(p.stalled && p.readErr == io.EOF):
			return 0, p.readErr
		case len(b) == 0:
			return 0, nil
		}
		p.changed.Wait()
	}
}

func (p *simPipe) write(b []byte) (written int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.writeErr != nil:
			return written, p.writeErr
		case p.writing.passed():
			return written, os.ErrDeadlineExceeded
		}
		n, _ := p.put(b)
		if b, written = b[n:], written+n; len(b) == 0 {
			return written, nil
		}
		p.changed.Wait()
	}
}

// put takes what there is room for. p.mu is held.
func (p *simPipe) put(b []byte) (int, error) {
	if p.writeErr != nil {
		return 0, p.writeErr
	}
	n := min(max(0, p.limit-len(p.data)), len(b))
	p.data = append(p.data, b[:n]...)
	p.changed.Broadcast()
	return n, nil
}

// awaitReadable waits until a read wouldn't.
func (p *simPipe) awaitReadable() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for (len(p.data) == 0 || p.stalled) && (p.readErr == nil || p.stalled && p.readErr == io.EOF) && !p.reading.passed() {
		p.changed.Wait()
	}
}

// end ends the pipe, once.
func (p *simPipe) end(readErr, writeErr error, drop bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readErr == nil || drop {
		p.readErr = readErr
	}
	if p.writeErr == nil {
		p.writeErr = writeErr
	}
	if drop {
		p.data = nil
	}
	p.changed.Broadcast()
}
