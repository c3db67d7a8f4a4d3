package differential

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// script is a connection whose peer sends given bytes and then ends its side. It
// needs no network and no second goroutine.
type script struct {
	mu     sync.Mutex
	input  []byte
	chunk  int // bytes of one read at most
	output bytes.Buffer
	closed bool
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case len(s.input) == 0:
		return 0, io.EOF
	}
	n := copy(p, s.input[:min(s.chunk, len(s.input))])
	s.input = s.input[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	return s.output.Write(p)
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// sent is all that the server has written.
func (s *script) sent() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.output.Bytes())
}

func (s *script) LocalAddr() net.Addr              { return address{} }
func (s *script) RemoteAddr() net.Addr             { return address{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

type address struct{}

func (address) Network() string { return "script" }
func (address) String() string  { return "script" }

// response is an http.ResponseWriter over a script, that can be taken over.
type response struct {
	script *script
	header http.Header
	status int
	taken  bool
}

func (r *response) Header() http.Header { return r.header }

// WriteHeader writes what goes before a takeover, as net/http does.
func (r *response) WriteHeader(status int) {
	if r.status != 0 {
		return
	}
	r.status = status
	if status == http.StatusSwitchingProtocols {
		io.WriteString(r.script, "HTTP/1.1 101 Switching Protocols\r\n")
		r.header.Write(r.script)
		io.WriteString(r.script, "\r\n")
	}
}

func (r *response) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return len(p), nil
}

func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.taken = true
	return r.script, bufio.NewReadWriter(bufio.NewReader(r.script), bufio.NewWriter(r.script)), nil
}
