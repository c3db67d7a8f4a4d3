// Command fragments is a live list whose server renders all HTML: pages swap it in with
// htmx and its extension for event streams, over Tidewire's format=raw.
//
//	go run ./examples/fragments
//
// What somebody posts is escaped, rendered to a fragment and published; each open page gets
// the fragment as it is. A page that was away gets every line that it missed. Nobody signs
// in, so anyone can use any name.
package main

import (
	"context"
	"errors"
	"flag"
	"io"

	"github.com/tidewire/tidewire/examples/internal/serve"
)

func main() { serve.Main(run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("fragments", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8002", "`address` to listen on; port 0 takes a free one")
	host := flags.String("host", "", serve.HostFlag)
	redis := flags.String("redis", "", "`URL` of a Redis that several instances share, as in redis://localhost:6379; without it, memory")
	drainDelay := flags.Duration("drain-delay", 0, serve.DrainDelayFlag)
	_ = flags.Parse(args) // ExitOnError
	if flags.NArg() > 0 {
		return errors.New("fragments takes flags only; see -help")
	}
	broker, err := serve.Broker(ctx, *redis, brokerOptions)
	if err != nil {
		return err
	}
	site := newSite(broker)
	return serve.Run(ctx, stdout, serve.Server{
		Name: "Fragments", Addr: *addr, Handler: serve.Hosts(*addr, *host)(site.routes()), Drain: site.hub.Shutdown, DrainDelay: *drainDelay,
	})
}
