package sse

import (
	"bytes"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/internal/socket"
)

// connection is the output of a stream that has its connection for itself. The end
// of the stream is the end of the connection (RFC 9112 section 6.3), so that the
// bytes of an event are the same for all.
type connection struct {
	net.Conn
	socket *socket.Socket // if it is a plain one
	head   []byte         // of the response, to be sent before the stream

	session   *session.Session
	receiving sync.WaitGroup // done when nothing more is received
	ignored   int            // bytes that the client has sent after its request
}

// takeConnection takes a request's connection over, with the headers that were set
// for its response.
func takeConnection(w http.ResponseWriter, ackTimeout time.Duration) (*connection, error) {
	header := w.Header().Clone()
	netConn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	setHeaders(header)
	for _, name := range []string{"Content-Encoding", "Content-Length", "Transfer-Encoding"} {
		header.Del(name)
	}
	header.Set("Connection", "close")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(&head) // to memory
	head.WriteString("\r\n")
	socket.Tune(netConn, socket.Tuning{SendBuffer: sendBuffer, AckTimeout: ackTimeout})
	c := &connection{Conn: netConn, socket: socket.New(netConn), head: head.Bytes()}
	c.receiving.Add(1)
	return c, nil
}

// sendBuffer bounds what the kernel keeps of a stream whose client doesn't read.
const sendBuffer = 64 << 10

// maxIgnored is how many bytes a client may send after its request.
const maxIgnored = 64 << 10

// watch has the session closed when the client is gone.
func (c *connection) watch(session *session.Session) {
	c.session = session
	if c.socket == nil {
		go func() {
			for c.read() {
			}
		}()
		return
	}
	c.socket.OnReadable(c.readable)
}

func (c *connection) readable() {
	if c.read() {
		c.socket.OnReadable(c.readable)
	}
}

// read ignores what the client sends; false if that was the last.
func (c *connection) read() bool {
	p := make([]byte, 512)
	n, err := c.Read(p)
	c.ignored += n
	if err == nil && c.ignored <= maxIgnored {
		return true
	}
	c.session.Lost(err)
	c.Abort(false)
	c.receiving.Done()
	return false
}

// Flush does nothing: nothing is buffered.
func (c *connection) Flush() error { return nil }

// Begin does nothing: the head is sent like the rest.
func (c *connection) Begin() {}

// Abort closes the connection at once.
func (c *connection) Abort(bool) { socket.Drop(c.Conn, c.socket) }

// End closes the connection and waits for the reader.
func (c *connection) End(politely bool) {
	if c.socket == nil && politely {
		_ = c.Close() // TLS sends its close alert
	}
	c.Abort(true)
	c.receiving.Wait()
}
