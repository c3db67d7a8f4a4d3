package fleet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// streams are connections with TLS. A goroutine for each reads, since neither the library's TLS nor its HTTP/2 can be
// driven by an epoll.
type streams struct {
	open     func(dial dialer, address string, request []byte) (io.ReadWriteCloser, error)
	bytes    atomic.Int64 // that were read, encrypted
	arrivals chan arrival
	conns    []io.ReadWriteCloser // by client, once it has arrived
	done     chan struct{}        // closed by hangUp
}

// arrival is what a goroutine has read, or why it has ended.
type arrival struct {
	client int
	conn   io.ReadWriteCloser // the first time
	bytes  []byte
	err    error
}

func newStreams(clients int, over Over) *streams {
	s := &streams{
		open:     openTLS,
		arrivals: make(chan arrival, clients),
		conns:    make([]io.ReadWriteCloser, clients),
		done:     make(chan struct{}),
	}
	if over == HTTP2 {
		s.open = openHTTP2
	}
	return s
}

func (s *streams) dial(client, port int, request []byte) error {
	go s.serve(client, fmt.Sprintf("127.0.0.1:%d", port), request, s.done)
	return nil
}

// serve is the goroutine of one client.
func (s *streams) serve(client int, address string, request []byte, done chan struct{}) {
	tell := func(a arrival) bool {
		select {
		case s.arrivals <- a:
			return true
		case <-done:
			return false
		}
	}
	conn, err := s.open(s.dialCounted, address, request)
	if err != nil {
		tell(arrival{client: client, err: err})
		return
	}
	if !tell(arrival{client: client, conn: conn}) {
		_ = conn.Close() // the fleet has left
		return
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := conn.Read(buffer)
		if n > 0 && !tell(arrival{client: client, bytes: bytes.Clone(buffer[:n])}) {
			return
		}
		if err != nil {
			tell(arrival{client: client, err: err})
			return
		}
	}
}

func (s *streams) received() int64 { return s.bytes.Load() }

// dialer opens a connection to which TLS is added.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (s *streams) dialCounted(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return counted{conn, &s.bytes}, nil
}

// counted adds up the bytes that are read.
type counted struct {
	net.Conn
	bytes *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}

func (s *streams) send(client int, b []byte) error {
	_, err := s.conns[client].Write(b)
	return err
}

func (s *streams) poll(deadline time.Time, take func(int, []byte) error) error {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case a := <-s.arrivals:
		if err := s.arrive(a, take); err != nil {
			return err
		}
	case <-timer.C:
		return nil
	}
	for {
		select {
		case a := <-s.arrivals:
			if err := s.arrive(a, take); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *streams) arrive(a arrival, take func(int, []byte) error) error {
	switch {
	case a.err != nil:
		return fmt.Errorf("client %d: %w", a.client, a.err)
	case a.conn != nil:
		s.conns[a.client] = a.conn
		return nil
	default:
		return take(a.client, a.bytes)
	}
}

func (s *streams) hangUp() {
	close(s.done)
	s.done = make(chan struct{})
	for i, conn := range s.conns {
		if conn != nil {
			_ = conn.Close() // nothing more is awaited of it
			s.conns[i] = nil
		}
	}
}

func (*streams) close() {}

// trusting takes the certificate that a server has made for itself.
func trusting() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server is a child of ours, on this machine
}

func openTLS(dial dialer, address string, request []byte) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	raw, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, trusting())
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	_, err = conn.Write(request)
	return conn, err
}

// body is an answer over HTTP/2, which begins with a header like that of HTTP/1.1.
type body struct {
	io.Reader
	cancel    context.CancelFunc
	transport *http.Transport
}

func (body) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (b body) Close() error {
	b.cancel()
	b.transport.CloseIdleConnections()
	return nil
}

// openHTTP2 gives each client a connection of its own, as each browser has.
func openHTTP2(dial dialer, address string, request []byte) (io.ReadWriteCloser, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return nil, err
	}
	r.RequestURI, r.URL.Scheme, r.URL.Host = "", "https", address
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{DialContext: dial, TLSClientConfig: trusting(), ForceAttemptHTTP2: true}
	response, err := transport.RoundTrip(r.WithContext(ctx)) //nolint:bodyclose // ended by cancel
	if err == nil && response.ProtoMajor != 2 {
		err = fmt.Errorf("the answer is %s", response.Proto)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	header := strings.NewReader("HTTP/1.1 " + response.Status + "\r\n\r\n")
	return body{io.MultiReader(header, response.Body), cancel, transport}, nil
}
