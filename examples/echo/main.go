// Command echo sends every WebSocket message back: a plain RFC 6455 server on
// transport/websocket alone, for test suites, for measurements and to try out a
// client.
//
//	go run ./examples/echo -deflate
//
// The echo is at /echo, open to any origin and to clients that send none. A page
// at / talks to it and shows what happens.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/transport/websocket"
)

//go:embed page
var page embed.FS

type config struct {
	addr       string
	host       string
	deflate    bool
	takeover   bool
	maxMessage int64
	drainDelay time.Duration
}

func main() { serve.Main(run) }

func parse(args []string) (config, error) {
	var c config
	flags := flag.NewFlagSet("echo", flag.ExitOnError)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8081", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&c.host, "host", "", serve.HostFlag)
	flags.BoolVar(&c.deflate, "deflate", false, "compress messages for clients that offer it, each on its own")
	flags.BoolVar(&c.takeover, "takeover", false, "with -deflate, compress with regard to the messages before")
	flags.Int64Var(&c.maxMessage, "max-message", 16<<20, "largest message to accept, in `bytes`; -1 for any")
	flags.DurationVar(&c.drainDelay, "drain-delay", 0, serve.DrainDelayFlag)
	_ = flags.Parse(args) // ExitOnError
	if flags.NArg() > 0 {
		return c, errors.New("echo takes flags only; see -help")
	}
	return c, nil
}

func (c config) options() *websocket.AcceptOptions {
	opts := &websocket.AcceptOptions{CheckOrigin: websocket.AnyOrigin, MaxMessage: c.maxMessage}
	switch {
	case c.deflate && c.takeover:
		opts.Compression = websocket.CompressionContextTakeover
	case c.deflate:
		opts.Compression = websocket.CompressionNoContextTakeover
	}
	return opts
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	e := newEcho(c.options())
	err = serve.Run(ctx, stdout, serve.Server{
		Name: "Echo", Addr: c.addr, Handler: serve.Hosts(c.addr, c.host)(routes(e)), Drain: e.stop, DrainDelay: c.drainDelay,
	})
	e.connections.Wait() // the server doesn't know them any more
	return err
}

func routes(e *echo) http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	r := chi.NewRouter()
	r.Handle("/echo", e)
	r.Handle("/*", serve.Page(files))
	return r
}
