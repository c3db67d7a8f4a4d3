package pushtest

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// listener takes connections in memory, so that nothing of the network is in a test: it
// works in a bubble of testing/synctest too.
type listener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newListener() *listener {
	l := &listener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.close()
	return nil
}

func (l *listener) Addr() net.Addr { return loopback }

// loopback is both ends of all connections: of a private address, which the limits of a hub
// don't count.
var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}

// dial connects a visitor.
func (l *listener) dial(ctx context.Context, v *visitor) (net.Conn, error) {
	if v.isAway() {
		return nil, errAway
	}
	near, far := net.Pipe()
	c := &clientConn{Conn: near, visitor: v, closed: make(chan struct{})}
	c.close = sync.OnceFunc(func() { close(c.closed) })
	select {
	case l.conns <- &serverConn{far, v}:
		v.add(c)
		return c, nil
	case <-l.done:
		return nil, errors.New("pushtest: the test's server has ended")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

var errAway = errors.New("pushtest: the client is cut")

// serverConn is the server's end of a connection.
type serverConn struct {
	net.Conn
	visitor *visitor
}

func (*serverConn) LocalAddr() net.Addr  { return loopback }
func (*serverConn) RemoteAddr() net.Addr { return loopback }

// clientConn is the client's end of a connection.
type clientConn struct {
	net.Conn
	visitor *visitor
	closed  chan struct{}
	close   func()
}

func (*clientConn) LocalAddr() net.Addr  { return loopback }
func (*clientConn) RemoteAddr() net.Addr { return loopback }

// Read reads nothing while the visitor is stalled. What has come by then stays with it.
func (c *clientConn) Read(p []byte) (int, error) {
	c.await()
	n, err := c.Conn.Read(p)
	c.await()
	return n, err
}

func (c *clientConn) await() {
	select {
	case <-c.visitor.flowing():
	case <-c.closed:
	}
}

func (c *clientConn) Close() error {
	c.close()
	c.visitor.remove(c)
	return c.Conn.Close()
}

// visitor is what the connections of one client have in common.
type visitor struct {
	identity *identity // nil if the client says who it is by itself

	mu    sync.Mutex // guards the rest
	conns map[*clientConn]struct{}
	away  bool          // nothing can be dialed, by HTTP clients that try again by themselves either
	flow  chan struct{} // closed unless the client is stalled
}

func newVisitor(id *identity) *visitor {
	v := &visitor{identity: id, conns: map[*clientConn]struct{}{}, flow: make(chan struct{})}
	close(v.flow)
	return v
}

func (v *visitor) add(c *clientConn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.conns[c] = struct{}{}
}

func (v *visitor) remove(c *clientConn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.conns, c)
}

func (v *visitor) isAway() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.away
}

func (v *visitor) comeBack() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.away = false
}

// cut drops all connections without a word, until the visitor may come back.
func (v *visitor) cut() {
	v.mu.Lock()
	v.away = true
	all := make([]*clientConn, 0, len(v.conns))
	for c := range v.conns {
		all = append(all, c)
	}
	v.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

func (v *visitor) flowing() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.flow
}

func (v *visitor) isStalled() bool {
	select {
	case <-v.flowing():
		return false
	default:
		return true
	}
}

// stall stops or resumes all reading.
func (v *visitor) stall(yes bool) {
	if v.isStalled() == yes {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if yes {
		v.flow = make(chan struct{})
	} else {
		close(v.flow)
	}
}

type visitorKey struct{}

// visitorOf returns the visitor that has made a request; nil if it isn't one of a test's
// clients.
func visitorOf(ctx context.Context) *visitor {
	v, _ := ctx.Value(visitorKey{}).(*visitor)
	return v
}

// serve serves a handler on a listener in memory until the test ends.
func serve(t testing.TB, handler http.Handler, configure ...func(*http.Server)) *listener {
	t.Helper()
	l := newListener()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	log := newTestLog(t)
	server := &http.Server{
		Handler: handler, Protocols: protocols, ErrorLog: log.forServer(), ReadHeaderTimeout: patience,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if c, ok := c.(*serverConn); ok {
				ctx = context.WithValue(ctx, visitorKey{}, c.visitor)
			}
			return ctx
		},
	}
	for _, f := range configure {
		f(server)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // until it is closed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
		log.end()
	})
	return l
}

// forServer takes what net/http logs. A handler that panics fails the test.
func (l *testLog) forServer() *log.Logger { return log.New(serverLog{l}, "", 0) }

type serverLog struct{ to *testLog }

func (s serverLog) Write(line []byte) (int, error) {
	if text := strings.TrimSpace(string(line)); strings.Contains(text, "panic serving") {
		s.to.fail("the handler panics: " + text)
	} else {
		s.to.log(text)
	}
	return len(line), nil
}
