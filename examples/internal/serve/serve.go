// Package serve is what the examples share besides Tidewire: a server that
// stops gracefully, and its page.
package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 20 * time.Second // unless Server says otherwise
	pingInterval  = 15 * time.Second // after which a silent HTTP/2 connection is asked whether it lives
	pongTimeout   = 15 * time.Second
	writeTimeout  = 10 * time.Second // for any byte over HTTP/2
	maxHeader     = 64 << 10         // the longest query that the routes take, and cookies
)

// Main runs an example until SIGINT or SIGTERM, which end its context. A second
// signal ends the process at once.
func Main(run func(ctx context.Context, args []string, stdout io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		log.SetFlags(0)
		log.Fatalln(err)
	}
}

// DrainDelayFlag is what an example's -drain-delay flag says of itself.
const DrainDelayFlag = "how long /healthz says \"draining\" before clients are sent away, so that balancers choose other " +
	"instances by then"

// Server is what Run serves.
type Server struct {
	Name    string // for people
	Addr    string
	Handler http.Handler
	// Drain sends the clients of long connections away, and waits for them.
	Drain func(context.Context) error
	// DrainDelay is how long all goes on at the end, but for what /healthz says.
	DrainDelay time.Duration
	// DrainTimeout is how long Drain may take, and what comes after. Default 20 s.
	DrainTimeout time.Duration
	// TLS makes it a server for https. Nil: http.
	TLS *tls.Config
	// OpsAddr is a second address, for operators, with its own handler; empty: none. Its
	// /readyz has status 503 at the end, too. It is closed last.
	OpsAddr string
	Ops     http.Handler
	// Started and Draining are called when the server listens, and when it begins to end.
	// Nil: nothing is.
	Started, Draining func()

	after func(time.Duration) <-chan time.Time // time.After, if it isn't a test's
}

// Run listens on Addr, says so on stdout in one line, and serves until the context
// ends. It answers /healthz by itself, with status 503 from that moment on, which is
// also the answer of /readyz then. After DrainDelay it calls Drain, closes the rest,
// and returns when all is over; nil if nobody had to be cut off.
func Run(ctx context.Context, stdout io.Writer, s Server) error {
	draining := new(atomic.Bool)
	main, err := listen(s.Addr, s.TLS, &health{s.Handler, draining})
	if err != nil {
		return errors.Join(err, s.Drain(ctx))
	}
	line, ops := fmt.Sprintf("%s listens on %s", s.Name, main.url()), &listening{}
	if s.OpsAddr != "" {
		if ops, err = listen(s.OpsAddr, nil, &readiness{s.Ops, draining}); err != nil {
			return errors.Join(err, main.close(ctx), s.Drain(ctx))
		}
		line += ", and for operators on " + ops.url()
	}
	fmt.Fprintln(stdout, line)
	slog.Info("started", "server", s.Name, "address", main.address.String())
	call(s.Started)

	select {
	case <-main.served:
	case <-ops.served: // never, if there is none
	case <-ctx.Done():
		slog.Info("draining", "server", s.Name, "delay", s.DrainDelay)
		draining.Store(true)
		call(s.Draining)
		s.delay(main.served)
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(s.DrainTimeout, drainTimeout))
	defer cancel()
	drained := s.Drain(limit) // first: /healthz is answered meanwhile
	err = errors.Join(drained, main.close(limit), ops.close(limit))
	slog.Info("stopped", "server", s.Name, "error", err)
	return err
}

func call(hook func()) {
	if hook != nil {
		hook()
	}
}

// listening is a server that serves. The zero one serves nothing.
type listening struct {
	server  *http.Server
	scheme  string
	address net.Addr
	served  chan struct{} // closed when it has ended
	failed  error         // why, after that
}

func listen(addr string, config *tls.Config, handler http.Handler) (*listening, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &listening{newServer(handler), "http", listener.Addr(), make(chan struct{}), nil}
	if config != nil {
		l.scheme, l.server.TLSConfig = "https", config
	}
	go func() {
		defer close(l.served)
		if config != nil {
			l.failed = l.server.ServeTLS(listener, "", "")
		} else {
			l.failed = l.server.Serve(listener)
		}
	}()
	return l, nil
}

func (l *listening) url() string { return l.scheme + "://" + l.address.String() }

// close ends it, and says why it has ended if it had to.
func (l *listening) close(ctx context.Context) error {
	if l.server == nil {
		return nil
	}
	stopped := l.server.Shutdown(ctx)
	if stopped != nil {
		_ = l.server.Close() // its error is no news after the one before
	}
	<-l.served
	if errors.Is(l.failed, http.ErrServerClosed) {
		return stopped
	}
	return errors.Join(l.failed, stopped)
}

// newServer returns a server with limits. It has no WriteTimeout, which would end every
// event stream: the transports have a deadline for each write instead.
func newServer(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)            // over TLS
	protocols.SetUnencryptedHTTP2(true) // as some proxies speak it
	return &http.Server{
		Handler: handler, Protocols: protocols,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingInterval, PingTimeout: pongTimeout, WriteByteTimeout: writeTimeout},
	}
}

// delay waits for DrainDelay, or until the server has failed.
func (s *Server) delay(served <-chan struct{}) {
	if s.DrainDelay <= 0 {
		return
	}
	after := s.after
	if after == nil {
		after = time.After
	}
	select {
	case <-after(s.DrainDelay):
	case <-served:
	}
}

// health answers who asks for it, and passes on everybody else.
type health struct {
	next     http.Handler
	draining *atomic.Bool
}

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/healthz" && r.URL.Path != "/readyz":
		h.next.ServeHTTP(w, r)
	case h.draining.Load():
		http.Error(w, "draining", http.StatusServiceUnavailable)
	case r.URL.Path == "/healthz":
		_, _ = io.WriteString(w, "ok\n") // a prober that has gone needs no answer
	default:
		h.next.ServeHTTP(w, r)
	}
}

// readiness answers for a server that drains, and passes on everything else.
type readiness struct {
	next     http.Handler
	draining *atomic.Bool
}

func (h *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" && h.draining.Load() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	h.next.ServeHTTP(w, r)
}
