// Package serve is what the examples share besides Tidewire: a server that
// stops gracefully, and its page.
package serve

import (
	"context"
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
	drainTimeout  = 20 * time.Second
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

	after func(time.Duration) <-chan time.Time // time.After, if it isn't a test's
}

// Run listens on Addr, says so on stdout in one line, and serves until the context
// ends. It answers /healthz by itself, with status 503 from that moment on, which is
// also the answer of /readyz then. After DrainDelay it calls Drain, closes the rest,
// and returns when all is over; nil if nobody had to be cut off.
func Run(ctx context.Context, stdout io.Writer, s Server) error {
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return errors.Join(err, s.Drain(ctx))
	}
	h := &health{next: s.Handler}
	server := newServer(h)
	var failed error
	served := make(chan struct{})
	go func() {
		defer close(served)
		failed = server.Serve(listener)
	}()
	fmt.Fprintf(stdout, "%s listens on http://%s\n", s.Name, listener.Addr())
	slog.Info("started", "server", s.Name, "address", listener.Addr().String())

	select {
	case <-served:
	case <-ctx.Done():
		slog.Info("draining", "server", s.Name, "delay", s.DrainDelay)
		h.draining.Store(true)
		s.delay(served)
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	drained := s.Drain(limit) // first: /healthz is answered meanwhile
	stopped := server.Shutdown(limit)
	if stopped != nil {
		_ = server.Close() // its error is no news after the one before
	}
	<-served
	if errors.Is(failed, http.ErrServerClosed) {
		failed = nil
	}
	err = errors.Join(failed, drained, stopped)
	slog.Info("stopped", "server", s.Name, "error", err)
	return err
}

// newServer returns a server with limits. It has no WriteTimeout, which would end every
// event stream: the transports have a deadline for each write instead.
func newServer(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
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
	draining atomic.Bool
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
