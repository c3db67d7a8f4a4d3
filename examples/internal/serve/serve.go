// Package serve is what the examples share besides Tidewire: a server that
// stops gracefully, and its page.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 20 * time.Second
	maxHeader     = 64 << 10 // the longest query that the routes take, and cookies
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

// Run listens on addr, says so on stdout in one line, and serves until the
// context ends. Then it calls drain, which sends the clients of long connections
// away, closes the rest, and returns when all is over; nil if nobody had to be
// cut off.
func Run(ctx context.Context, stdout io.Writer, name, addr string, handler http.Handler, drain func(context.Context) error) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Join(err, drain(ctx))
	}
	// No WriteTimeout: it would end every event stream. The transports have a
	// deadline for each write instead.
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	var failed error
	served := make(chan struct{})
	go func() {
		defer close(served)
		failed = server.Serve(listener)
	}()
	fmt.Fprintf(stdout, "%s listens on http://%s\n", name, listener.Addr())

	select {
	case <-served:
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	drained := drain(limit) // first: server.Shutdown waits for event streams to end
	stopped := server.Shutdown(limit)
	if stopped != nil {
		_ = server.Close() // its error is no news after the one before
	}
	<-served
	if errors.Is(failed, http.ErrServerClosed) {
		failed = nil
	}
	return errors.Join(failed, drained, stopped)
}
