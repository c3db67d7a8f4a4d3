package websocket

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push/testaid"
)

// patience bounds what a test waits for; nothing takes so long when all is well.
const patience = testaid.Patience

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455 section 1.3

// rawFrame encodes a client's frame with its first byte given.
func rawFrame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, bitMask|byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, bitMask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bitMask|127), uint64(n))
	}
	key := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

func fin(op opcode, payload string) []byte  { return rawFrame(bitFin|byte(op), payload) }
func part(op opcode, payload string) []byte { return rawFrame(byte(op), payload) }

func closeFrame(code StatusCode, reason string) []byte {
	return fin(opClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

func join(frames ...[]byte) []byte {
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}

// peer is a client that sends whatever bytes a test wants to.
type peer struct {
	net.Conn
	br *bufio.Reader
}

// dialRaw connects to a server and does the handshake, with more header lines.
func dialRaw(t testing.TB, server *httptest.Server, headers ...string) *peer {
	t.Helper()
	p, _ := dialAnswer(t, server, headers...)
	return p
}

// dialAnswer is dialRaw, and returns what the server answered as well.
func dialAnswer(t testing.TB, server *httptest.Server, headers ...string) (*peer, http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	request := "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\n"
	for _, h := range headers {
		request += h + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		t.Fatal(err)
	}
	p := &peer{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake answered with %s", resp.Status)
	}
	return p, resp.Header
}

// next reads one frame of the server and describes it, as in "text hello",
// "part text hel", "close 1000 bye" or "end".
func (p *peer) next() string {
	var head [2]byte
	if _, err := io.ReadFull(p.br, head[:]); err != nil {
		if err == io.EOF {
			return "end"
		}
		return "broken: " + err.Error()
	}
	length := uint64(head[1])
	switch head[1] {
	case 126:
		var b [2]byte
		io.ReadFull(p.br, b[:])
		length = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		io.ReadFull(p.br, b[:])
		length = binary.BigEndian.Uint64(b[:])
	}
	if head[1]&bitMask != 0 {
		return "masked frame"
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(p.br, payload); err != nil {
		return "broken: " + err.Error()
	}
	op := opcode(head[0] & 0xF)
	name := map[opcode]string{opContinuation: "more", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong"}[op]
	if head[0]&bitFin == 0 {
		name = "part " + name
	}
	if head[0]&bitRSV1 != 0 {
		name = "deflated " + name
	}
	body := string(payload)
	if op == opClose && length >= 2 {
		body = fmt.Sprint(binary.BigEndian.Uint16(payload))
	}
	if len(body) > 200 {
		body = fmt.Sprintf("%d bytes", len(body))
	}
	return strings.TrimSuffix(name+" "+body, " ")
}

// rest reads to the end of the connection.
func (p *peer) rest() []string {
	var got []string
	for {
		f := p.next()
		got = append(got, f)
		if f == "end" || strings.HasPrefix(f, "broken") {
			return got
		}
	}
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
	return c, &peer{far, bufio.NewReader(far)}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}
