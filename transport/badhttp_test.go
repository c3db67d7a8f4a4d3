package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

// harden gives a server what docs/security.md asks of an application.
func harden(server *http.Server) {
	server.ReadHeaderTimeout = 5 * time.Second
	server.IdleTimeout = 2 * time.Minute
	server.MaxHeaderBytes = 64 << 10
}

// hardened serves a hub as an application should.
func hardened(t *testing.T, options push.Options) (*push.Hub, *httptest.Server) {
	t.Helper()
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	hub := push.New(membroker.New(), options)
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub, transport.Options{PublishKey: "k"}))
	server := httptest.NewUnstartedServer(r)
	harden(server.Config)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return hub, server
}

// statuses sends bytes, and gives the status of each answer until the server closes,
// or begins a stream.
func statuses(t *testing.T, server *httptest.Server, bytes string) (got string) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testaid.Patience)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, bytes) // fails if it was refused before its end
	}()
	lines := bufio.NewReader(conn)
	for {
		response, err := http.ReadResponse(lines, nil)
		if err != nil {
			break
		}
		got += fmt.Sprint(response.StatusCode, " ")
		if response.StatusCode < 200 || response.Header.Get("Content-Type") == "text/event-stream" {
			break
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			break
		}
		if response.Close {
			if _, err := lines.ReadByte(); err == nil {
				got += "more"
			} else {
				got += "close"
			}
			break
		}
	}
	conn.Close()
	<-sent
	return strings.TrimSuffix(got, " ")
}

// TestBadHTTP has what no client sends. net/http refuses most of it, before any code
// of ours; that it does is what the rest relies on.
func TestBadHTTP(t *testing.T) {
	_, server := hardened(t, push.Options{})
	server.Start()
	publish := "POST /push/publish?topic=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
	stream := "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\n"
	upgrade := "GET /push/ws?topic=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	second := "GET /push/client.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	var many strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&many, "A%d: b\r\n", i)
	}
	tests := []struct{ name, send, want string }{
		{"a request", publish + "Content-Length: 2\r\n\r\nhi" + second, "200 200 close"},

		// B12: what proxies and servers might take for different requests
		{"length and chunks", publish + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + second, "200 close"},
		{"chunks and length 0", publish + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + second, "200 close"},
		{"chunks", publish + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + second, "200 close"},
		{"two lengths", publish + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!" + second, "400 close"},
		{"a list of lengths", publish + "Content-Length: 2, 2\r\n\r\nhi" + second, "400 close"},
		{"length with a sign", publish + "Content-Length: +2\r\n\r\nhi" + second, "400 close"},
		{"negative length", publish + "Content-Length: -2\r\n\r\nhi" + second, "400 close"},
		{"hexadecimal length", publish + "Content-Length: 0x2\r\n\r\nhi" + second, "400 close"},
		{"length over 64 bits", publish + "Content-Length: 18446744073709551618\r\n\r\nhi" + second, "400 close"},
		{"xchunked", publish + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + second, "501 close"},
		{"identity", publish + "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + second, "501 close"},
		{"two encodings", publish + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + second, "501 close"},
		{"space before the colon", publish + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + second, "400 close"},
		{"length of a chunk with 0x", publish + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n" + second, "400 close"},
		{"chunk longer than it says", publish + "Transfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n" + second, "400 close"},
		{"chunks in HTTP/1.0", strings.Replace(publish, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + second, "400 close"},
		{"body of a stream", stream + "Content-Length: 2\r\n\r\nhi" + second, "400 close"},
		{"body of a handshake", upgrade + "Content-Length: 2\r\n\r\nhi" + second, "400 close"},
		{"request behind a stream", stream + "\r\n" + second, "200"},

		// B11
		{"long chunk extension", publish + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 1<<20) + "\r\nhi\r\n0\r\n\r\n", "400 close"},
		{"many chunk extensions", publish + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 3000)+"\r\na\r\n", 1000) + "0\r\n\r\n", "400 close"},

		// B8
		{"a megabyte in one header", stream + "A: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "431 close"},
		{"a megabyte without end", stream + "A: " + strings.Repeat("x", 1<<20), "431 close"},
		{"a megabyte of URL", "GET /push/sse?topic=" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431 close"},
		{"100,000 cookies", stream + "Cookie: " + strings.Repeat("a=b; ", 100_000) + "\r\n\r\n", "431 close"},
		{"100,000 cookies on a handshake", upgrade + "Cookie: " + strings.Repeat("a=b; ", 100_000) + "\r\n\r\n", "431 close"},
		{"100,000 headers", stream + strings.Repeat("A: b\r\n", 100_000) + "\r\n", "431 close"},
		{"2,000 headers on a stream", stream + many.String() + "\r\n", "200"},
		{"2,000 headers on a handshake", upgrade + many.String() + "\r\n", "101"},

		// lines and names
		{"no host", "GET /push/sse?topic=a HTTP/1.1\r\n\r\n" + second, "400 close"},
		{"two hosts", stream + "Host: y\r\n\r\n" + second, "400 close"},
		{"bad host", "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\x01y\r\n\r\n" + second, "400 close"},
		{"NUL in a header", stream + "A: b\x00c\r\n\r\n" + second, "400 close"},
		{"carriage return in a header", stream + "A: b\rc\r\n\r\n" + second, "400 close"},
		{"header without a colon", stream + "A\r\n\r\n" + second, "400 close"},
		{"space in the URL", "GET /push/sse?topic=a b HTTP/1.1\r\nHost: x\r\n\r\n" + second, "400 close"},
		{"control in the URL", "GET /push/sse?topic=a\x01b HTTP/1.1\r\nHost: x\r\n\r\n" + second, "400 close"},
		{"HTTP/3.0", "GET /push/sse?topic=a HTTP/3.0\r\nHost: x\r\n\r\n" + second, "505 close"},
		{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "405 close"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 close"},
		{"TRACE", "TRACE /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405 close"},
		{"CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\nConnection: close\r\n\r\n", "404 close"},
		{"path out of the mount", "GET /push/../push/%2e%2e/sse?topic=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404 close"},
		{"Expect of something else", publish + "Expect: 200-maybe\r\nContent-Length: 2\r\n\r\nhi", "417 close"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := statuses(t, server, test.send); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestHeadersCostAboutWhatTheyAre: what is refused for its size, or just isn't, costs no
// multiple of it.
func TestHeadersCostAboutWhatTheyAre(t *testing.T) {
	_, server := hardened(t, push.Options{Identify: func(r *http.Request) (push.Identity, error) {
		r.CookiesNamed("session")
		return push.Identity{}, push.CodeUnauthenticated
	}})
	server.Start()
	stream := "GET /push/sse?topic=a HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nConnection: close\r\n"
	for name, request := range map[string]string{
		"a megabyte of headers": stream + strings.Repeat("A: b\r\n", 1<<20/6) + "\r\n",
		"60 kB of headers":      stream + strings.Repeat("A: b\r\n", 10_000) + "\r\n",
		"60 kB of cookies":      stream + "Cookie: " + strings.Repeat("a=b; ", 12_000) + "\r\n\r\n",
		"60 kB of session":      stream + "Cookie: " + strings.Repeat("session=b; ", 5_000) + "\r\n\r\n",
		"60 kB of extensions":   stream + "Sec-WebSocket-Extensions: " + strings.Repeat("a;", 30_000) + "\r\n\r\n",
		"a cursor of 1 MB":      stream + "Last-Event-ID: " + strings.Repeat("1", 1<<20) + "\r\n\r\n",
		"a cursor of 60 kB":     stream + "Last-Event-ID: " + strings.Repeat("1.", 30_000) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := statuses(t, server, request)
			runtime.ReadMemStats(&after)
			if got != "431 close" && got != "401 close" {
				t.Errorf("got %q", got)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
				t.Errorf("%d bytes of request made %d bytes be allocated", len(request), n)
			}
		})
	}
}
