package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/sse"
)

// TestStalledStreamIsASlowConsumer has a client of each kind of connection stop
// reading. Its write must end at the timeout, and a neighbour gets everything.
func TestStalledStreamIsASlowConsumer(t *testing.T) {
	hijackless := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(struct{ flushing }{w.(flushing)}, r) })
	}
	tests := []struct {
		name  string
		wrap  func(http.Handler) http.Handler
		stall func(*testing.T, *httptest.Server) net.Conn
	}{
		{"TLS", nil, stallHTTP1},
		{"TLS that stays a response", hijackless, stallHTTP1},
		{"HTTP/2 with a full window", nil, func(t *testing.T, s *httptest.Server) net.Conn { return stallHTTP2(t, s, 0) }},
		{"HTTP/2 with a full socket", nil, func(t *testing.T, s *httptest.Server) net.Conn { return stallHTTP2(t, s, 1<<30) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hub := push.New(membroker.New(), push.Options{
				Authorize:     push.Anyone,
				QueueMessages: -1, QueueBytes: -1, // only the write can end it
			})
			handler := http.Handler(sse.New(hub, sse.Options{WriteTimeout: 200 * time.Millisecond}))
			if test.wrap != nil {
				handler = test.wrap(handler)
			}
			server := httptest.NewUnstartedServer(handler)
			server.EnableHTTP2 = true
			server.Config.HTTP2 = &http.HTTP2Config{WriteByteTimeout: 300 * time.Millisecond} // ends the full socket
			server.StartTLS()
			defer server.Close()
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
				defer cancel()
				if err := hub.Shutdown(ctx); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			}()
			conn := test.stall(t, server)
			defer conn.Close()
			// The neighbour may be slow, on a machine that is busy.
			beside := httptest.NewTLSServer(sse.New(hub, sse.Options{WriteTimeout: time.Hour, Heartbeat: time.Hour}))
			defer beside.Close()
			response := get(t, beside, http.MethodGet, "?topic=a", nil)
			lines := bufio.NewReader(response.Body)
			event(t, lines)
			data := bytes.Repeat([]byte("x"), 60<<10)
			isCut := func() bool { return hub.Stats().Closed[push.CodeSlowConsumer] == 1 }
			for sent := 0; sent < 150 && !isCut(); sent++ { // more than sockets hold
				if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: data}); err != nil {
					t.Fatal(err)
				}
				if got := event(t, lines); !strings.Contains(got, "xxx") {
					t.Fatalf("the neighbour got %.100q", got)
				}
			}
			testaid.Eventually(t, "the end of a client that does not read", isCut)
		})
	}
}

// flushing is a ResponseWriter that can't be taken over.
type flushing interface {
	http.ResponseWriter
	http.Flusher
	SetWriteDeadline(time.Time) error
}

func dialTLS(t *testing.T, server *httptest.Server, protocol string) net.Conn {
	t.Helper()
	config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName, config.NextProtos = "example.com", []string{protocol}
	tcp, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = tcp.(*net.TCPConn).SetReadBuffer(4 << 10)
	conn := tls.Client(tcp, config)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

func stallHTTP1(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	conn := dialTLS(t, server, "http/1.1")
	if _, err := io.WriteString(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// stallHTTP2 asks for a stream and then reads nothing. window is how much more than
// the usual 64 KiB the server may send.
func stallHTTP2(t *testing.T, server *httptest.Server, window uint32) net.Conn {
	t.Helper()
	frame := func(kind, flags byte, stream uint32, payload []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		return append(binary.BigEndian.AppendUint32(append(b, flags), stream), payload...)
	}
	// ":method: GET" and ":scheme: https" are in the static table (RFC 7541); the others are literals.
	headers := append([]byte{0x82, 0x87, 0x04, 9}, "/?topic=a"...)
	headers = append(append(headers, 0x01, 9), "localhost"...)
	request := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	request = append(request, frame(0x4, 0, 0, nil)...) // SETTINGS
	request = append(request, frame(0x1, 0x5, 1, headers)...)
	if window > 0 {
		grow := binary.BigEndian.AppendUint32(nil, window)
		request = append(append(request, frame(0x8, 0, 0, grow)...), frame(0x8, 0, 1, grow)...)
	}
	conn := dialTLS(t, server, "h2")
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	return conn
}
