package transport_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// The frames of HTTP/2 (RFC 9113) that are needed here.
const (
	h2Headers      = 1
	h2ResetStream  = 3
	h2Settings     = 4
	h2GoAway       = 7
	h2Continuation = 9

	h2EndStream  = 1
	h2EndHeaders = 4
)

func h2Frame(kind, flags byte, stream uint32, payload string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return append(binary.BigEndian.AppendUint32(append(b, flags), stream), payload...)
}

// h2Get is the header block of a GET (RFC 7541: indexed fields, and literals).
func h2Get(path string) string {
	return "\x82\x87\x01\x01x\x04" + string(rune(len(path))) + path
}

// h2Conn is a client of HTTP/2 that sends whatever bytes a test wants to.
type h2Conn struct{ net.Conn }

func dialH2(t *testing.T, address string) *h2Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.NetConn().Close() })
	if err := conn.SetDeadline(time.Now().Add(testaid.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), h2Frame(h2Settings, 0, 0, "")...)); err != nil {
		t.Fatal(err)
	}
	return &h2Conn{conn}
}

// next reads a frame.
func (c *h2Conn) next() (kind byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, 0, nil, err
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(c, payload)
	return head[3], binary.BigEndian.Uint32(head[5:]), payload, err
}

// sendUntilRefused sends pieces until the server closes the connection, and tells how
// many bytes it took.
func (c *h2Conn) sendUntilRefused(most int, piece func(i int) []byte) (sent int, err error) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, c)
	}()
	for i := 0; sent < most && err == nil; i++ {
		var n int
		n, err = c.Write(piece(i))
		sent += n
		select {
		case <-closed:
			err = net.ErrClosed
		default:
		}
	}
	c.Conn.(*tls.Conn).NetConn().Close()
	<-closed
	return sent, err
}

// TestHTTP2Floods: a stream of requests that are taken back at once, and headers
// without end, are net/http's matter. They must leave nothing of ours behind, and harm
// nobody.
func TestHTTP2Floods(t *testing.T) {
	hub, server := hardened(t, push.Options{})
	server.EnableHTTP2 = true
	server.StartTLS()
	plain := &http.Server{Handler: server.Config.Handler}
	harden(plain)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = plain.Serve(listener) }()
	defer plain.Close()
	honest, err := transporttest.DialSSE(t.Context(), "http://"+listener.Addr().String()+"/push/sse", []string{"a"}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer honest.Close()
	if _, err := honest.Next(); err != nil {
		t.Fatal(err)
	}
	address := server.Listener.Addr().String()
	tests := []struct {
		name  string
		piece func(i int) []byte
		most  int
	}{
		{"rapid reset", func(i int) []byte { // CVE-2023-39325
			stream := uint32(2*i + 1)
			return append(h2Frame(h2Headers, h2EndStream|h2EndHeaders, stream, h2Get("/push/sse?topic=a")),
				h2Frame(h2ResetStream, 0, stream, "\x00\x00\x00\x08")...)
		}, 1 << 20},
		{"continuation", func(i int) []byte { // CVE-2023-45288
			if i == 0 {
				return h2Frame(h2Headers, h2EndStream, 1, h2Get("/push/sse?topic=a"))
			}
			return h2Frame(h2Continuation, 0, 1, strings.Repeat("\x00\x01a\x01b", 3000))
		}, 64 << 20},
		{"empty continuation", func(i int) []byte {
			if i == 0 {
				return h2Frame(h2Headers, h2EndStream, 1, h2Get("/push/sse?topic=a"))
			}
			return h2Frame(h2Continuation, 0, 1, "")
		}, 1 << 20},
		{"settings", func(int) []byte { return h2Frame(h2Settings, 0, 0, "") }, 100 << 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			sent, err := dialH2(t, address).sendUntilRefused(test.most, test.piece)
			t.Logf("%d bytes were sent (%v)", sent, err)
			if test.name == "continuation" && err == nil {
				t.Error("headers without end were read on and on")
			}
			if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte(test.name)}); err != nil {
				t.Fatal(err)
			}
			if f, err := honest.Next(); err != nil || string(f.Data) != test.name {
				t.Errorf("an honest client got %+v, %v", f, err)
			}
			eventually(t, "the end of what it began", func() bool {
				return hub.Stats().Sessions == 1 && runtime.NumGoroutine() <= goroutines+5
			})
		})
	}
}

// TestExtendedConnectIsRefused: WebSockets over HTTP/2 (RFC 8441) aren't offered, and
// who asks for them all the same, or for another protocol, gets an error for the stream
// and not a connection.
func TestExtendedConnectIsRefused(t *testing.T) {
	hub, server := hardened(t, push.Options{})
	server.EnableHTTP2 = true
	server.StartTLS()
	for _, protocol := range []string{"websocket", "connect-udp", ""} {
		c := dialH2(t, server.Listener.Addr().String())
		block := "\x02\x07CONNECT\x00\x09:protocol" + string(rune(len(protocol))) + protocol + "\x87\x01\x01x\x04\x10/push/ws?topic=a"
		if _, err := c.Write(h2Frame(h2Headers, h2EndHeaders, 1, block)); err != nil {
			t.Fatal(err)
		}
		for {
			kind, stream, payload, err := c.next()
			if err != nil {
				t.Errorf("%q: %v", protocol, err)
				break
			}
			if kind == h2ResetStream && stream == 1 || kind == h2GoAway {
				break // refused
			}
			if kind == h2Headers && payload[0] < 0x8C { // an indexed status of 200, 204 or 206, or none
				t.Errorf("%q: answered with %x", protocol, payload)
				break
			}
		}
		if n := hub.Stats().Sessions; n != 0 {
			t.Errorf("%q: %d sessions", protocol, n)
		}
		if err := c.Conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Log(err)
		}
	}
}
