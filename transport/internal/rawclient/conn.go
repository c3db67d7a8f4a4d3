package rawclient

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push/testaid"
)

// Key is the key of every handshake: that of RFC 6455 section 1.3.
const Key = "dGhlIHNhbXBsZSBub25jZQ=="

// Conn is a client's connection.
type Conn struct {
	net.Conn
	Buffer *bufio.Reader // reads from the connection
}

// New makes a client of a connection. It has done no handshake.
func New(conn net.Conn) *Conn { return &Conn{conn, bufio.NewReader(conn)} }

// Dial connects to a server and does the handshake, with more header lines. The
// connection is closed at the end of the test, and fails after testaid.Patience.
func Dial(t testing.TB, server *httptest.Server, headers ...string) *Conn {
	t.Helper()
	c, _ := DialAnswer(t, server, headers...)
	return c
}

// DialPath is Dial for a path and a query.
func DialPath(t testing.TB, server *httptest.Server, path string) *Conn {
	t.Helper()
	c := dial(t, server)
	c.Handshake(t, path)
	return c
}

// DialAnswer is Dial, and returns what the server answered as well.
func DialAnswer(t testing.TB, server *httptest.Server, headers ...string) (*Conn, http.Header) {
	t.Helper()
	c := dial(t, server)
	return c, c.Handshake(t, "/", headers...)
}

func dial(t testing.TB, server *httptest.Server) *Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testaid.Patience)); err != nil {
		t.Fatal(err)
	}
	return New(conn)
}

// Handshake does the opening handshake for a path, with more header lines.
func (c *Conn) Handshake(t testing.TB, path string, headers ...string) http.Header {
	t.Helper()
	lines := append([]string{
		"GET " + path + " HTTP/1.1", "Host: example.com", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + Key,
	}, headers...)
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(c.Buffer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake answered with %s", response.Status)
	}
	return response.Header
}

// Next reads one frame of the server and describes it, as in "text hello",
// "part text hel", "close 1000" or "end".
func (c *Conn) Next() string {
	first, payload, err := c.Frame()
	switch {
	case err == io.EOF:
		return "end"
	case err != nil:
		return "broken: " + err.Error()
	}
	op := first & 0xF
	name := map[byte]string{Continuation: "more", Text: "text", Binary: "binary", Close: "close", Ping: "ping", Pong: "pong"}[op]
	if first&bitFin == 0 {
		name = "part " + name
	}
	if first&bitRSV1 != 0 {
		name = "deflated " + name
	}
	body := string(payload)
	if op == Close && len(payload) >= 2 {
		body = fmt.Sprint(binary.BigEndian.Uint16(payload))
	}
	if len(body) > 200 {
		body = fmt.Sprintf("%d bytes", len(body))
	}
	return strings.TrimSuffix(name+" "+body, " ")
}

// Rest describes all frames to the end of the connection.
func (c *Conn) Rest() []string {
	var got []string
	for {
		f := c.Next()
		got = append(got, f)
		if f == "end" || strings.HasPrefix(f, "broken") {
			return got
		}
	}
}
