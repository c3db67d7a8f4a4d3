package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/transport/internal/rawclient"
)

// handshake returns a request with the usual headers, in which each edit replaces
// the header line that starts like it, or is added.
func handshake(requestLine string, edits ...string) string {
	lines := []string{
		"Host: example.com", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + sampleKey,
	}
	for _, edit := range edits {
		name, value, _ := strings.Cut(edit, ":")
		kept := lines[:0]
		for _, line := range lines {
			if !strings.HasPrefix(line, name+":") || strings.HasPrefix(value, "+") {
				kept = append(kept, line)
			}
		}
		lines = kept
		if value != "" {
			lines = append(lines, name+": "+strings.TrimPrefix(value, "+"))
		}
	}
	return requestLine + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

const getLine = "GET / HTTP/1.1"

func TestHandshake(t *testing.T) {
	tests := []struct {
		name    string
		request string
		opts    *AcceptOptions
		status  int
		headers map[string]string // "" means absent
	}{
		{name: "the RFC's", request: handshake(getLine), status: 101, headers: map[string]string{
			"Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Connection": "Upgrade", "Upgrade": "websocket",
			"Sec-WebSocket-Protocol": "", "Sec-WebSocket-Extensions": "", "X-Middleware": "was here", "Content-Type": ""}},
		{name: "tokens in lists", request: handshake(getLine, "Connection:keep-alive, UPGRADE", "Upgrade:h2c, WebSocket"), status: 101},
		{name: "tokens on two lines", request: handshake(getLine, "Connection:keep-alive", "Connection:+Upgrade"), status: 101},
		{name: "same origin", request: handshake(getLine, "Origin:http://example.com"), status: 101},

		{name: "B1 no upgrade", request: handshake(getLine, "Connection:", "Upgrade:"), status: 426,
			headers: map[string]string{"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}},
		{name: "B1 upgrade without connection", request: handshake(getLine, "Connection:keep-alive"), status: 426},
		{name: "B1 other protocol", request: handshake(getLine, "Upgrade:websockets"), status: 426},
		{name: "B1 not a token", request: handshake(getLine, "Connection:x upgrade"), status: 400},
		{name: "B2 POST", request: handshake("POST / HTTP/1.1", "Content-Length:0"), status: 405, headers: map[string]string{"Allow": "GET"}},
		{name: "B2 HEAD", request: handshake("HEAD / HTTP/1.1"), status: 405},
		{name: "B2 HTTP/1.0", request: handshake("GET / HTTP/1.0"), status: 400},
		{name: "B2 body", request: handshake(getLine, "Content-Length:2") + "hi", status: 400},
		{name: "B2 chunked body", request: handshake(getLine, "Transfer-Encoding:chunked") + "0\r\n\r\n", status: 400},
		{name: "B3 no key", request: handshake(getLine, "Sec-WebSocket-Key:"), status: 400},
		{name: "B3 short key", request: handshake(getLine, "Sec-WebSocket-Key:AAAAAAAAAAAAAAAAAAAA"), status: 400},
		{name: "B3 long key", request: handshake(getLine, "Sec-WebSocket-Key:AAAAAAAAAAAAAAAAAAAAAAA="), status: 400},
		{name: "B3 not base64", request: handshake(getLine, "Sec-WebSocket-Key:!!!!!!!!!!!!!!!!!!!!!!=="), status: 400},
		{name: "B3 two keys", request: handshake(getLine, "Sec-WebSocket-Key:+"+sampleKey), status: 400},
		{name: "B4 version 8", request: handshake(getLine, "Sec-WebSocket-Version:8"), status: 426,
			headers: map[string]string{"Sec-WebSocket-Version": "13"}},
		{name: "B4 version 0", request: handshake(getLine, "Sec-WebSocket-Version:0"), status: 426},
		{name: "B4 version 99", request: handshake(getLine, "Sec-WebSocket-Version:99"), status: 426},
		{name: "B4 version list", request: handshake(getLine, "Sec-WebSocket-Version:13, 8"), status: 426},
		{name: "B4 two versions", request: handshake(getLine, "Sec-WebSocket-Version:+13"), status: 426},
		{name: "B4 no version", request: handshake(getLine, "Sec-WebSocket-Version:"), status: 426},
		{name: "other origin", request: handshake(getLine, "Origin:http://evil.example"), status: 403},
		{name: "null origin", request: handshake(getLine, "Origin:null"), status: 403},
		{name: "other origin allowed", request: handshake(getLine, "Origin:http://evil.example"), status: 101,
			opts: &AcceptOptions{CheckOrigin: AnyOrigin}},

		{name: "our favourite subprotocol", request: handshake(getLine, "Sec-WebSocket-Protocol:a, b", "Sec-WebSocket-Protocol:+c"), status: 101,
			opts: &AcceptOptions{Subprotocols: []string{"x", "c", "a"}}, headers: map[string]string{"Sec-WebSocket-Protocol": "c"}},
		{name: "no common subprotocol", request: handshake(getLine, "Sec-WebSocket-Protocol:A, bb"), status: 101,
			opts: &AcceptOptions{Subprotocols: []string{"a", "b"}}, headers: map[string]string{"Sec-WebSocket-Protocol": ""}},
		{name: "subprotocol not asked for", request: handshake(getLine), status: 101,
			opts: &AcceptOptions{Subprotocols: []string{"a"}}, headers: map[string]string{"Sec-WebSocket-Protocol": ""}},
		{name: "compression", request: handshake(getLine, "Sec-WebSocket-Extensions:permessage-deflate"), status: 101,
			opts:    &AcceptOptions{Compression: CompressionContextTakeover},
			headers: map[string]string{"Sec-WebSocket-Extensions": "permessage-deflate"}},
		{name: "B7 bad compression offer", request: handshake(getLine, "Sec-WebSocket-Extensions:permessage-deflate; server_max_window_bits=99"), status: 101,
			opts: &AcceptOptions{Compression: CompressionContextTakeover}, headers: map[string]string{"Sec-WebSocket-Extensions": ""}},

		{name: "B6 subprotocols of spaces", request: handshake(getLine, "Sec-WebSocket-Protocol:"+strings.Repeat(" ", 10_000)), status: 400},
		{name: "B6 subprotocols of commas", request: handshake(getLine, "Sec-WebSocket-Protocol:,,,"), status: 400},
		{name: "B6 9,000 subprotocols", request: handshake(getLine, "Sec-WebSocket-Protocol:"+strings.Repeat("a,", 9000)), status: 431},
		{name: "B6 9,000 lines of subprotocols", request: handshake(getLine, slices.Repeat([]string{"Sec-WebSocket-Protocol:+a"}, 9000)...), status: 431},
		{name: "B6 101 subprotocols", request: handshake(getLine, "Sec-WebSocket-Protocol:"+strings.Repeat("a,", 101)), status: 431},
		{name: "B6 100 subprotocols", request: handshake(getLine, "Sec-WebSocket-Protocol:"+strings.Repeat("a,", 100)), status: 101},
		{name: "B6 long subprotocol", request: handshake(getLine, "Sec-WebSocket-Protocol:"+strings.Repeat("a", 8193)), status: 431},
		{name: "B6 subprotocols not in ASCII", request: handshake(getLine, "Sec-WebSocket-Protocol:chät"), status: 400},
		{name: "B6 subprotocols without commas", request: handshake(getLine, "Sec-WebSocket-Protocol:a b"), status: 400},
		{name: "B6 quoted subprotocol", request: handshake(getLine, `Sec-WebSocket-Protocol:"a"`), status: 400},
		{name: "B6 bad subprotocol behind a good one", request: handshake(getLine, "Sec-WebSocket-Protocol:a", "Sec-WebSocket-Protocol:+b/c"), status: 400,
			opts: &AcceptOptions{Subprotocols: []string{"a"}}},
		{name: "B6 empty elements", request: handshake(getLine, "Sec-WebSocket-Protocol:, a,,", "Sec-WebSocket-Protocol:+"), status: 101,
			opts: &AcceptOptions{Subprotocols: []string{"a"}}, headers: map[string]string{"Sec-WebSocket-Protocol": "a"}},
		{name: "B6 extensions that can't be read", request: handshake(getLine, "Sec-WebSocket-Extensions:permessage-deflate; ="), status: 400},
		{name: "B6 extensions with an open quote", request: handshake(getLine, `Sec-WebSocket-Extensions:a; b="c`), status: 400},
		{name: "B6 no extension", request: handshake(getLine, "Sec-WebSocket-Extensions:,"), status: 400},
		{name: "B6 9,000 extensions", request: handshake(getLine, "Sec-WebSocket-Extensions:"+strings.Repeat("a,", 9000)), status: 431},
		{name: "B6 an extension of 101 parameters", request: handshake(getLine, "Sec-WebSocket-Extensions:a"+strings.Repeat(";b", 101)), status: 431},
		{name: "B6 connection that can't be read", request: handshake(getLine, "Connection:upgrade, x y"), status: 400},
		{name: "B6 9,000 connection options", request: handshake(getLine, "Connection:upgrade"+strings.Repeat(",a", 9000)), status: 431},
		{name: "B6 upgrade that can't be read", request: handshake(getLine, "Upgrade:websocket, h2c/"), status: 400},
		{name: "B6 9,000 upgrades", request: handshake(getLine, "Upgrade:websocket"+strings.Repeat(",a", 9000)), status: 431},
		{name: "other version of another protocol", request: handshake(getLine, "Upgrade:TLS/1.3, websocket"), status: 101},
		{name: "other version of this one", request: handshake(getLine, "Upgrade:websocket/1"), status: 426},
		{name: "B3 megabyte of a key", request: handshake(getLine, "Sec-WebSocket-Key:"+strings.Repeat("A", 500_000)), status: 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result := make(chan error, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Middleware", "was here")
				w.Header().Set("Content-Type", "text/html")
				conn, err := Accept(w, r, tt.opts)
				if err == nil {
					conn.CloseNow()
				}
				result <- err
			}))
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			io.WriteString(conn, tt.request)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if tt.status != 101 && !resp.Close {
				t.Error("the connection is kept")
			}
			for name, want := range tt.headers {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			var refusal *HandshakeError
			err = <-result
			if tt.status == 101 && err != nil {
				t.Errorf("error %v", err)
			}
			if tt.status != 101 && (!errors.As(err, &refusal) || refusal.Status != tt.status) {
				t.Errorf("error %v, want one with status %d", err, tt.status)
			}
		})
	}
}

// TestHandshakeWithABodyThatNeverComes: net/http waits for a body before it closes.
func TestHandshakeWithABodyThatNeverComes(t *testing.T) {
	server := serve(t, &AcceptOptions{CloseTimeout: 100 * time.Millisecond}, func(*Conn) {})
	for _, request := range []string{
		handshake(getLine, "Content-Length:10"), handshake("POST / HTTP/1.1", "Content-Length:10"),
		handshake(getLine, "Upgrade:", "Transfer-Encoding:chunked"),
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, request)
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q wasn't closed", request)
		}
	}
}

func TestHandshakeOverHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Accept(w, r, nil)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("%s %s, want 501 over HTTP/2", resp.Proto, resp.Status)
	}
}

// hiding is a ResponseWriter as careless middleware makes them.
type hiding struct{ http.ResponseWriter }

// wrapping is one of the better sort.
type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestHandshakeThroughMiddleware(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	for _, line := range []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + sampleKey} {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	_, err := Accept(hiding{w}, r, nil)
	var refusal *HandshakeError
	if !errors.As(err, &refusal) || refusal.Status != 500 || w.Code != 500 || !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("status %d and error %v, want 500", w.Code, err)
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(wrapping{w}, r, nil); err == nil {
			echoWhole(conn)
		}
	}))
	defer server.Close()
	p := dialRaw(t, server)
	p.Write(join(fin(opText, "hi"), closeFrame(1000, "")))
	if got := strings.Join(p.Rest(), "|"); got != "text hi|close 1000|end" {
		t.Error(got)
	}
}

// What a hasty client sends along with the handshake must not get lost.
func TestFramesRightBehindTheHandshake(t *testing.T) {
	server := serve(t, &AcceptOptions{MaxMessage: 1 << 20}, func(c *Conn) { echoWhole(c) })
	for _, size := range []int{1, 300, 3000, 100_000} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		payload := strings.Repeat("x", size)
		conn.Write(append([]byte(handshake(getLine)), join(fin(opText, payload), fin(opText, "second"), closeFrame(1000, ""))...))
		br := bufio.NewReader(conn)
		if _, err := http.ReadResponse(br, nil); err != nil {
			t.Fatal(err)
		}
		got := (&peer{&rawclient.Conn{Conn: conn, Buffer: br}}).Rest()
		if len(got) != 4 || got[1] != "text second" || got[2] != "close 1000" {
			t.Errorf("%d bytes: %q", size, got)
		}
		conn.Close()
	}
}

func TestServerDeadlinesAndRequestContextDontMatter(t *testing.T) {
	messages := make(chan string, 1)
	start := make(chan struct{})
	done := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		request := r.Context()
		go func() { // the handler returns meanwhile
			defer close(done)
			defer conn.CloseNow()
			<-request.Done()
			close(start)
			_, data, err := conn.Read(context.Background())
			if err != nil {
				t.Error(err)
			}
			messages <- string(data)
		}()
	}))
	server.Config.ReadTimeout = time.Hour
	server.Config.WriteTimeout = time.Hour
	server.Start()
	defer server.Close()
	p := dialRaw(t, server)
	<-start
	p.Write(fin(opText, "still here"))
	if got := <-messages; got != "still here" {
		t.Errorf("got %q", got)
	}
	<-done
}

func TestOverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(w, r, &AcceptOptions{MaxMessage: -1}); err == nil {
			echoStream(conn)
		}
	}))
	server.StartTLS()
	defer server.Close()
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, handshake(getLine))
	br := bufio.NewReader(conn)
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	p := &peer{&rawclient.Conn{Conn: conn, Buffer: br}}
	p.Write(fin(opBinary, string(bytes.Repeat([]byte{7}, 10_000))))
	if got := p.Next(); got != "binary 10000 bytes" {
		t.Error(got)
	}
	p.Write(rawFrame(0xF1, "reserved bits"))
	if got := strings.Join(p.Rest(), "|"); got != "close 1002|end" {
		t.Error(got)
	}
}
