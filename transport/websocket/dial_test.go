package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// overPipe dials in memory. serve is the server's end, with the request that it has got.
func overPipe(t *testing.T, opts DialOptions, serve func(conn net.Conn, request *http.Request)) (*Conn, http.Header, error) {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	t.Cleanup(func() { near.Close(); far.Close(); <-done })
	go func() {
		defer close(done)
		request, err := http.ReadRequest(bufio.NewReader(far))
		if err != nil {
			return // Dial has not got so far
		}
		serve(far, request)
	}()
	opts.DialContext = func(context.Context, string, string) (net.Conn, error) { return near, nil }
	conn, header, err := Dial(t.Context(), "ws://example.com/", &opts)
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, header, err
}

// answer writes an answer in which each edit replaces the header line that starts like
// it, or is added; one without a value takes the line away. KEY stands for the right
// Sec-WebSocket-Accept.
func answer(w io.Writer, request *http.Request, status string, edits ...string) {
	lines := strings.TrimPrefix(handshake("", append([]string{
		"Host:", "Sec-WebSocket-Version:", "Sec-WebSocket-Key:", "Sec-WebSocket-Accept:KEY",
	}, edits...)...), "\r\n")
	key := acceptKey(request.Header.Get("Sec-WebSocket-Key"))
	io.WriteString(w, "HTTP/1.1 "+status+"\r\n"+strings.ReplaceAll(lines, "KEY", key))
}

const switching = "101 Switching Protocols"

func TestDialJudgesAnswers(t *testing.T) {
	deflate := DialOptions{Compression: CompressionContextTakeover}
	noTakeover := DialOptions{Compression: CompressionNoContextTakeover}
	chat := DialOptions{Subprotocols: []string{"chat.v2", "chat.v1"}}
	tests := []struct {
		name   string
		opts   DialOptions
		status string
		edits  []string
		want   string // "" if the connection is made
	}{
		{"as it should be", DialOptions{}, switching, nil, ""},
		{"any case of letters", DialOptions{}, switching, []string{"Upgrade:WebSocket", "Connection:keep-alive, UPGRADE"}, ""},
		{"connection on two lines", DialOptions{}, switching, []string{"Connection:keep-alive", "Connection:+Upgrade"}, ""},
		{"no upgrade", DialOptions{}, switching, []string{"Upgrade:"}, "Upgrade"},
		{"more than this upgrade", DialOptions{}, switching, []string{"Upgrade:websocket, h2c"}, "Upgrade"},
		{"another upgrade", DialOptions{}, switching, []string{"Upgrade:h2c"}, "Upgrade"},
		{"two upgrades", DialOptions{}, switching, []string{"Upgrade:+websocket"}, "Upgrade"},
		{"no connection", DialOptions{}, switching, []string{"Connection:"}, "Connection"},
		{"another connection", DialOptions{}, switching, []string{"Connection:close"}, "Connection"},
		{"no accept", DialOptions{}, switching, []string{"Sec-WebSocket-Accept:"}, "Sec-WebSocket-Accept"},
		{"the accept of another key", DialOptions{}, switching, []string{"Sec-WebSocket-Accept:" + acceptKey(sampleKey)}, "Sec-WebSocket-Accept"},
		{"two accepts", DialOptions{}, switching, []string{"Sec-WebSocket-Accept:+KEY"}, "Sec-WebSocket-Accept"},
		{"status 200", DialOptions{}, "200 OK", []string{"Content-Length:0"}, "refused"},
		{"status 302", DialOptions{}, "302 Found", []string{"Location:http://example.org", "Content-Length:0"}, "refused"},
		{"status 401", DialOptions{}, "401 Unauthorized", []string{"Content-Length:0"}, "refused"},

		{"the second subprotocol", chat, switching, []string{"Sec-WebSocket-Protocol:chat.v1"}, ""},
		{"none of the subprotocols", chat, switching, nil, ""},
		{"a subprotocol that wasn't offered", chat, switching, []string{"Sec-WebSocket-Protocol:chat.v3"}, "Sec-WebSocket-Protocol"},
		{"a subprotocol in another case", chat, switching, []string{"Sec-WebSocket-Protocol:Chat.v1"}, "Sec-WebSocket-Protocol"},
		{"two subprotocols", chat, switching, []string{"Sec-WebSocket-Protocol:chat.v1, chat.v2"}, "Sec-WebSocket-Protocol"},
		{"two headers of subprotocols", chat, switching, []string{"Sec-WebSocket-Protocol:chat.v1", "Sec-WebSocket-Protocol:+chat.v1"}, "Sec-WebSocket-Protocol"},
		{"a subprotocol where none was offered", DialOptions{}, switching, []string{"Sec-WebSocket-Protocol:chat.v1"}, "Sec-WebSocket-Protocol"},

		{"an extension where none was offered", DialOptions{}, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate"}, "Sec-WebSocket-Extensions"},
		{"another extension", deflate, switching, []string{"Sec-WebSocket-Extensions:x-webkit-deflate-frame"}, "Sec-WebSocket-Extensions"},
		{"one extension more", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate, foo"}, "Sec-WebSocket-Extensions"},
		{"the extension twice", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate, permessage-deflate"}, "Sec-WebSocket-Extensions"},
		{"extensions that can't be read", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; ="}, "Sec-WebSocket-Extensions"},
		{"compression", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate"}, ""},
		{"compression with all parameters", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10"}, ""},
		{"a parameter that doesn't exist", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; level=9"}, "Sec-WebSocket-Extensions"},
		{"a parameter twice", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, "Sec-WebSocket-Extensions"},
		{"a window without size", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; client_max_window_bits"}, "Sec-WebSocket-Extensions"},
		{"a window of 16 bits", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; server_max_window_bits=16"}, "Sec-WebSocket-Extensions"},
		{"a flag with a value", deflate, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; client_no_context_takeover=1"}, "Sec-WebSocket-Extensions"},
		{"takeover that was declined", noTakeover, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate"}, "Sec-WebSocket-Extensions"},
		{"no takeover", noTakeover, switching, []string{"Sec-WebSocket-Extensions:permessage-deflate; server_no_context_takeover"}, ""},
		{"compression declined", deflate, switching, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan error, 1)
			conn, header, err := overPipe(t, tt.opts, func(conn net.Conn, request *http.Request) {
				answer(conn, request, tt.status, append(slices.Clone(tt.edits), "X-Server:fake")...)
				if tt.want != "" {
					_, err := io.Copy(io.Discard, conn)
					closed <- err
				}
			})
			if header.Get("X-Server") != "fake" {
				t.Errorf("header %v", header)
			}
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			refused, ok := errors.AsType[*ResponseError](err)
			if !ok || conn != nil || !strings.Contains(refused.Reason, tt.want) || !strings.HasPrefix(tt.status, fmt.Sprint(refused.Response.StatusCode)) {
				t.Fatalf("connection %v, error %v, want one about %s", conn, err, tt.want)
			}
			if err := <-closed; err != nil {
				t.Errorf("the connection wasn't closed: %v", err)
			}
		})
	}
}

// TestDialRefused: the answer of a server that refuses is the caller's to look at, as far
// as it comes.
func TestDialRefused(t *testing.T) {
	tests := []struct {
		name, head, body, want string
	}{
		{"with a body", "Content-Length: 9\r\n", "forbidden", "forbidden"},
		{"with a long body", "", strings.Repeat("x", 100_000), strings.Repeat("x", maxBody)},
		{"with a body that doesn't end", "Content-Length: 10\r\n", "half", "half"},
		{"in chunks", "Transfer-Encoding: chunked\r\n", "3\r\nfoo\r\n0\r\n\r\n", "foo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, header, err := overPipe(t, DialOptions{}, func(conn net.Conn, _ *http.Request) {
					io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nX-Reason: none\r\n"+tt.head+"\r\n"+tt.body)
				})
				refused, ok := errors.AsType[*ResponseError](err)
				if !ok || refused.Response.StatusCode != http.StatusForbidden || header.Get("X-Reason") != "none" {
					t.Fatalf("error %v, header %v", err, header)
				}
				body, err := io.ReadAll(refused.Response.Body)
				if err != nil || string(body) != tt.want {
					t.Errorf("a body of %d bytes, %v, want %d", len(body), err, len(tt.want))
				}
			})
		})
	}
}

func TestDialGivesUpOnAnswersWithoutEnd(t *testing.T) {
	for name, flood := range map[string]string{
		"a header":        strings.Repeat("x", 1000),
		"headers":         strings.Repeat("X: y\r\n", 1000),
		"interim answers": "",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := overPipe(t, DialOptions{}, func(conn net.Conn, _ *http.Request) {
				start := "HTTP/1.1 101 Switching Protocols\r\nX: "
				if flood == "" {
					start, flood = "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
				}
				_, err := io.WriteString(conn, start)
				for err == nil {
					_, err = io.WriteString(conn, flood)
				}
			})
			if _, ok := errors.AsType[*ResponseError](err); err == nil || ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDialPassesOverInterimAnswers(t *testing.T) {
	_, _, err := overPipe(t, DialOptions{}, func(conn net.Conn, request *http.Request) {
		io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
		answer(conn, request, switching)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDialSends looks at the request.
func TestDialSends(t *testing.T) {
	requests := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r }))
	defer server.Close()
	host := server.Listener.Addr().String()
	_, _, err := Dial(t.Context(), "ws://user:secret@"+host+"/a%20b?c=d", &DialOptions{
		Header: http.Header{
			"Host": {"example.com"}, "origin": {"https://example.org"}, "Cookie": {"a=b"},
			"sec-websocket-key": {sampleKey}, "Upgrade": {"h2c"}, "Sec-WebSocket-Extensions": {"foo"}, "Connection": {"close"},
		},
		Subprotocols: []string{"a", "b"}, Compression: CompressionNoContextTakeover,
	})
	if _, ok := errors.AsType[*ResponseError](err); !ok {
		t.Fatal(err)
	}
	r := <-requests
	if r.Method != http.MethodGet || r.RequestURI != "/a%20b?c=d" || r.Host != "example.com" {
		t.Errorf("%s %s to %s", r.Method, r.RequestURI, r.Host)
	}
	if _, refusal := checkHandshake(r, (&AcceptOptions{CheckOrigin: AnyOrigin}).withDefaults()); refusal != nil {
		t.Error(refusal)
	}
	user, password, _ := r.BasicAuth()
	if user != "user" || password != "secret" {
		t.Errorf("authorization of %q by %q", user, password)
	}
	for name, want := range map[string]string{
		"Origin": "https://example.org", "Cookie": "a=b", "Sec-WebSocket-Protocol": "a, b",
		"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
	} {
		if got := r.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.Header.Get("Sec-WebSocket-Key") == sampleKey {
		t.Error("the caller's key was sent")
	}
}

func TestDialNeedsAnAddressAndOptions(t *testing.T) {
	for _, tt := range []struct {
		address      string
		subprotocols []string
	}{
		{"ftp://example.com", nil}, {"example.com", nil}, {"ws://", nil}, {"ws://example.com/#part", nil}, {"ws://%", nil},
		{"ws://example.com", []string{"a b"}}, {"ws://example.com", []string{""}}, {"ws://example.com", []string{"a", "a"}},
	} {
		_, _, err := Dial(t.Context(), tt.address, &DialOptions{
			Subprotocols: tt.subprotocols,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				t.Errorf("%s %q: a connection is opened", tt.address, tt.subprotocols)
				return nil, net.ErrClosed
			},
		})
		if err == nil {
			t.Errorf("%s %q is taken", tt.address, tt.subprotocols)
		}
	}
}

// TestDialPorts: each scheme has the port of HTTP's.
func TestDialPorts(t *testing.T) {
	for address, want := range map[string]string{
		"ws://example.com": "example.com:80", "WSS://example.com/x": "example.com:443", "http://[::1]": "[::1]:80", "https://x:1": "x:1",
	} {
		_, _, err := Dial(t.Context(), address, &DialOptions{DialContext: func(_ context.Context, network, got string) (net.Conn, error) {
			if network != "tcp" || got != want {
				t.Errorf("%s is at %s %s, want %s", address, network, got, want)
			}
			return nil, net.ErrClosed
		}})
		wantErr(t, err, net.ErrClosed)
	}
}

// TestDialEndsWithItsContext at whatever the server waits for. In virtual time nothing
// may be left when the test ends, and the connection is closed.
func TestDialEndsWithItsContext(t *testing.T) {
	stall := func(net.Conn) {}
	for name, tt := range map[string]struct {
		scheme string
		serve  func(net.Conn)
	}{
		"in the TLS handshake":       {"wss", stall},
		"sending the request":        {"ws", stall},
		"waiting for the answer":     {"ws", func(c net.Conn) { http.ReadRequest(bufio.NewReader(c)) }},
		"in the middle of an answer": {"ws", func(c net.Conn) { http.ReadRequest(bufio.NewReader(c)); io.WriteString(c, "HTTP/1.1 101 S") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				ctx, cancel := context.WithCancelCause(t.Context())
				result := make(chan error)
				go func() {
					_, _, err := Dial(ctx, tt.scheme+"://example.com", &DialOptions{
						DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
					})
					result <- err
				}()
				tt.serve(far)
				time.Sleep(time.Hour)
				reason := errors.New("enough")
				cancel(reason)
				if err := <-result; !errors.Is(err, reason) && !errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				if _, err := io.Copy(io.Discard, far); err != nil {
					t.Errorf("the connection is open: %v", err)
				}
			})
		})
	}
}

// TestDialOutlivesItsContext: it is for the handshake alone.
func TestDialOutlivesItsContext(t *testing.T) {
	server := serve(t, nil, func(c *Conn) { echoWhole(c) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	c, _, err := Dial(ctx, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	cancel()
	wantEcho(t, c, Text, []byte("still here"))
}

func TestDialTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(w, r, nil); err == nil {
			defer conn.CloseNow()
			echoWhole(conn)
		}
	}))
	server.EnableHTTP2 = true
	defer server.Close()
	address := "wss" + strings.TrimPrefix(server.URL, "https")
	_, _, err := Dial(t.Context(), address, nil)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("with the system's roots: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	config := &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}}
	c, _, err := Dial(t.Context(), address, &DialOptions{TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	wantEcho(t, c, Binary, bytes.Repeat([]byte("secret"), 5000))
	if c.Nonblocking() {
		t.Error("a connection over TLS counts as one that doesn't wait")
	}
	if err := c.Close(StatusNormal, ""); err != nil {
		t.Error(err)
	}
	if config.ServerName != "" || len(config.NextProtos) != 2 {
		t.Error("the caller's TLS config was changed")
	}
}

// FuzzDialAnswer: whatever a server sends, without the key it can't become a WebSocket.
func FuzzDialAnswer(f *testing.F) {
	good := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + acceptKey(sampleKey) + "\r\n\r\n\x81\x02hi"
	for _, answer := range []string{
		"", good, strings.Replace(good, "101", "100", 1), strings.Replace(good, "101", "403", 1), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		strings.Replace(good, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate; x=\"\r\n\r\n", 1),
	} {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			http.ReadRequest(bufio.NewReader(far))
			io.WriteString(far, answer)
			far.Close()
		}()
		_, _, err := Dial(t.Context(), "ws://example.com", &DialOptions{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		if err == nil {
			t.Errorf("%q is taken for the answer of a WebSocket server", answer)
		}
		<-done
	})
}
