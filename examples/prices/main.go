// Command prices is a market of 200 symbols whose prices change about 2,000 times a second, as
// keys of one state topic:
//
//	go run ./examples/prices
//
// Its page shows them all, live. A switch makes the page's connection as slow as a phone's on
// a train: it stays connected, gets fewer changes, and always the newest values.
package main

import (
	"context"
	"errors"
	"flag"
	"io"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
)

func main() { serve.Main(run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("prices", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8003", "`address` to listen on; port 0 takes a free one")
	host := flags.String("host", "", serve.HostFlag)
	drainDelay := flags.Duration("drain-delay", 0, serve.DrainDelayFlag)
	_ = flags.Parse(args) // ExitOnError
	if flags.NArg() > 0 {
		return errors.New("prices takes flags only; see -help")
	}
	x, err := openExchange(membroker.New(membroker.Options{Topics: topics}))
	if err != nil {
		return err
	}
	return serve.Run(ctx, stdout, serve.Server{
		Name: "Prices", Addr: *addr, Handler: serve.Hosts(*addr, *host)(x.routes()), Drain: x.close, DrainDelay: *drainDelay,
	})
}
