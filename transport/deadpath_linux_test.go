package transport_test

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/ws"
)

var deadPathDefaults = flag.Bool("deadpath.defaults", false, "TestDeadPath takes the defaults, tells how long they take, and wants 35 s at most")

// TestDeadPath takes the network away from a client in silence, as a tunnel or a walk
// out of reach does: what is sent to it isn't answered, by nobody. Its session has to
// end long before the kernel would give up by itself, and be told from one that left.
func TestDeadPath(t *testing.T) {
	t.Parallel()
	const scaledDown = 2 * time.Second // of 15 s; a heartbeat comes each second
	for _, tt := range []struct {
		name  string
		start func(s *httptest.Server)
		path  string
		beat  time.Duration
		alpn  string
		code  push.Code
	}{
		{"event stream", (*httptest.Server).Start, "sse", time.Second, "", push.CodeTimeout},
		{"event stream, nothing to say", (*httptest.Server).Start, "sse", time.Hour, "", push.CodeTimeout},
		{"event stream over TLS", (*httptest.Server).StartTLS, "sse", time.Second, "http/1.1", push.CodeTimeout},
		{"event stream over HTTP/2", (*httptest.Server).StartTLS, "sse", time.Second, "h2", ""},
		{"WebSocket", (*httptest.Server).Start, "ws", time.Second, "", push.CodeTimeout},
		{"WebSocket, nothing to say", (*httptest.Server).Start, "ws", time.Hour, "", push.CodeTimeout},
		{"WebSocket over TLS", (*httptest.Server).StartTLS, "ws", time.Second, "http/1.1", push.CodeTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
			stream := sse.Options{Heartbeat: tt.beat, AckTimeout: scaledDown}
			socket := ws.Options{Heartbeat: tt.beat, AckTimeout: scaledDown, PongTimeout: time.Hour}
			http2Options := &http.HTTP2Config{SendPingTimeout: time.Second, PingTimeout: 5 * time.Second}
			if *deadPathDefaults {
				stream, socket = sse.Options{}, ws.Options{}
				http2Options = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second}
			}
			server := httptest.NewUnstartedServer(transport.Routes(hub, transport.Options{
				SSE: sse.New(hub, stream), WebSocket: ws.New(hub, socket),
			}))
			server.Listener.Close()
			server.Listener = path.listener
			server.EnableHTTP2 = tt.alpn == "h2"
			server.Config.HTTP2 = http2Options
			tt.start(server)
			t.Cleanup(func() { // after the client's end
				if err := hub.Shutdown(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
				server.Close()
			})
			path.follow(t, server, tt.path)
			testaid.Eventually(t, "the session", func() bool { return hub.Stats().Sessions == 1 })
			path.cut(t)
			begin := time.Now()
			testaid.Eventually(t, "the end of the session", func() bool { return hub.Stats().Sessions == 0 })
			took := time.Since(begin) //clock:real measured only if the flag says so
			t.Logf("freed after %v", took.Round(10*time.Millisecond))
			if *deadPathDefaults && took > 35*time.Second {
				t.Errorf("freed after %v", took)
			}
			if got := hub.Stats().Closed; got[tt.code] != 1 {
				t.Errorf("closed by code: %v, want one of %q", got, tt.code)
			}
		})
	}
}

// path is a network of its own, between a server and a client.
type path struct {
	listener       net.Listener // at the server's end
	server, client *namespace
}

func newPath(t *testing.T) *path {
	t.Helper()
	p := &path{server: newNamespace(t), client: newNamespace(t)}
	p.server.ip(t, "link add s type veth peer name c netns "+strconv.Itoa(p.client.thread))
	p.server.ip(t, "addr add 10.0.0.1/24 dev s")
	p.client.ip(t, "addr add 10.0.0.2/24 dev c")
	p.client.ip(t, "link set c address 02:00:00:00:00:02 up")
	p.server.ip(t, "link set s up")
	// So that the client's end still takes what is sent to it, as a router would.
	p.server.ip(t, "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 nud permanent dev s")
	var err error
	p.server.do(func() { p.listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp4", "10.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cut lets nothing come to the client any more, and tells nobody.
func (p *path) cut(t *testing.T) {
	t.Helper()
	p.client.ip(t, "addr del 10.0.0.2/24 dev c")
}

func (p *path) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	p.client.do(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
	return conn, err
}

// follow connects a client, which reads, and answers pings, until the end of the test.
func (p *path) follow(t *testing.T, server *httptest.Server, route string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	roundTripper := &http.Transport{
		DialContext:       p.dial,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: server.EnableHTTP2,
	}
	client := &http.Client{Transport: roundTripper}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		reading.Wait()
		roundTripper.CloseIdleConnections()
	})
	url := server.URL + "/" + route + "?topic=a"
	if route == "ws" {
		conn, _, err := coder.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), &coder.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		reading.Go(func() {
			for err := error(nil); err == nil; {
				_, _, err = conn.Read(ctx)
			}
			_ = conn.CloseNow() // nobody is there
		})
		return
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	reading.Go(func() {
		_, _ = io.Copy(io.Discard, response.Body) // ends with ctx
		_ = response.Body.Close()
	})
}

// namespace is a network namespace, in which one thread of this process lives.
type namespace struct {
	thread int
	work   chan func()
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{work: make(chan func())}
	entered := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		n.thread = syscall.Gettid()
		entered <- syscall.Unshare(syscall.CLONE_NEWNET)
		for f := range n.work {
			f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
	if err := <-entered; err != nil {
		t.Skipf("NOT TESTED: dead paths. This needs a network namespace, as root has one: %v", err)
	}
	return n
}

// do calls f in the namespace. Sockets that are made there stay in it.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (n *namespace) ip(t *testing.T, command string) {
	t.Helper()
	var out []byte
	var err error
	n.do(func() { out, err = exec.CommandContext(t.Context(), "ip", strings.Fields(command)...).CombinedOutput() })
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", command, err, out)
	}
}
