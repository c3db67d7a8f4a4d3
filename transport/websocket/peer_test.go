package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
)

// patience bounds what a test waits for; nothing takes so long when all is well.
const patience = testaid.Patience

const sampleKey = rawclient.Key

// peer is a client that sends whatever bytes a test wants to.
type peer struct{ *rawclient.Conn }

// dialRaw connects to a server and does the handshake, with more header lines.
func dialRaw(t testing.TB, server *httptest.Server, headers ...string) *peer {
	t.Helper()
	return &peer{rawclient.Dial(t, server, headers...)}
}

// dialAnswer is dialRaw, and returns what the server answered as well.
func dialAnswer(t testing.TB, server *httptest.Server, headers ...string) (*peer, http.Header) {
	t.Helper()
	c, answer := rawclient.DialAnswer(t, server, headers...)
	return &peer{c}, answer
}

// rawFrame encodes a client's frame with its first byte given.
func rawFrame(first byte, payload string) []byte { return rawclient.Frame(first, payload) }

func fin(op opcode, payload string) []byte  { return rawclient.Fin(byte(op), payload) }
func part(op opcode, payload string) []byte { return rawclient.Part(byte(op), payload) }

func closeFrame(code StatusCode, reason string) []byte {
	return rawclient.CloseFrame(uint16(code), reason)
}

func join(frames ...[]byte) []byte {
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}

// serve runs a server that accepts every request with opts and calls handle, and
// waits for the handlers at the end of the test.
func serve(t testing.TB, opts *AcceptOptions, handle func(*Conn)) *httptest.Server {
	t.Helper()
	var running sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		conn, err := Accept(w, r, opts)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		handle(conn)
	}))
	t.Cleanup(func() {
		server.Close()
		running.Wait()
	})
	return server
}

// echoWhole echoes message by message until reading fails.
func echoWhole(c *Conn) error {
	for {
		typ, data, err := c.Read(context.Background())
		if err != nil {
			return err
		}
		if err := c.Write(context.Background(), typ, data); err != nil {
			return err
		}
	}
}

// echoStream does the same piece by piece. The pieces are small, to hit seams.
func echoStream(c *Conn) error { return echoPieces(c, 7) }

func echoPieces(c *Conn, size int) error {
	buf := make([]byte, size)
	for {
		typ, r, err := c.Reader(context.Background())
		if err != nil {
			return err
		}
		w, err := c.Writer(context.Background(), typ)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf)
		if err != nil {
			return err // the message isn't completed
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}

// pipe returns a connection over net.Pipe and its other end.
func pipe(t testing.TB, opts *AcceptOptions, deflate deflateParams) (*Conn, *peer) {
	near, far := net.Pipe()
	c := newConn(near, nil, "", deflate, opts.withDefaults().settings())
	t.Cleanup(func() { c.CloseNow(); far.Close() })
	return c, &peer{rawclient.New(far)}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}
