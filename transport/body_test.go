package transport_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestBodyThatStalls has clients that send a body in part. Nothing else would end
// their requests. One that is refused is told so at once. One that has sent all of it may
// wait longer for the answer.
func TestBodyThatStalls(t *testing.T) {
	tests := []struct {
		name, request, rest string
		want                int
		after               time.Duration
	}{
		{"send", "POST /send?topic=a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12", "", 503, 10 * time.Second},
		{"publish", "POST /publish?topic=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", "", 503, 10 * time.Second},
		{"refused", "POST /publish?topic=a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12", "", 401, 0},
		{"topics", "POST /sse HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nto", "", 503, 10 * time.Second},
		{"topics of a poll", "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nto", "", 503, 10 * time.Second},
		{"topics that aren't a form", "POST /sse HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nto", "", 415, 0},
		{"topics of a foreign page", "POST /sse HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nto", "", 403, 0},
		{"topics that are too large", "POST /sse HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99999\r\n\r\n" + strings.Repeat("x", 64<<10+1), "", 413, 0},
		{"slow but whole topics", "POST /sse HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nto", "pic=a", 200, 9 * time.Second},
		{"slow but whole topics of a poll", "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nto", "pic=a", 200, 34 * time.Second},
		{"foreign page", "POST /send?topic=a HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nContent-Length: 10\r\n\r\n12", "", 403, 0},
		{"websocket by POST", "POST /ws?topic=a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12", "", 405, 0},
		{"websocket without upgrade", "GET /ws?topic=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "", 426, 0},
		{"script", "GET /client.js HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "", 200, 10 * time.Second},
		{"ticket", "POST /ticket HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12", "", 404, 0},
		{"refresh", "POST /refresh?session=s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12", "", 401, 0},
		{"nothing there", "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "", 404, 0},
		{"slow but whole", "POST /send?topic=a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n12", "34", 200, 29 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := push.New(membroker.New(), push.Options{
					Authorize: push.Anyone,
					Receive: func(ctx context.Context, _ push.Inbound) (push.Reply, error) {
						time.Sleep(20 * time.Second)
						return push.Reply{}, ctx.Err()
					},
				})
				listener := &pipes{make(chan net.Conn), make(chan struct{})}
				server := &http.Server{Handler: transport.Routes(hub, transport.Options{PublishKey: "k"})}
				go func() { _ = server.Serve(listener) }()
				client, conn := net.Pipe()
				listener.conns <- conn
				begin := time.Now()
				if err := client.SetDeadline(begin.Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(client, test.request); err != nil {
					t.Fatal(err)
				}
				if test.rest != "" {
					time.Sleep(9 * time.Second)
					if _, err := io.WriteString(client, test.rest); err != nil {
						t.Fatal(err)
					}
				}
				response, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if took := time.Since(begin); response.StatusCode != test.want || took != test.after {
					t.Errorf("%s after %v, want %d after %v", response.Status, took, test.want, test.after)
				}
				client.Close()
				if err := hub.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if err := server.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown of the server: %v", err)
				}
			})
		})
	}
}
