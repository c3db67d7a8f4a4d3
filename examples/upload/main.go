// Command upload takes large files from a page, in pieces:
//
//	go run ./examples/upload
//
// The page has a progress bar for each file, which can be paused, cancelled, and resumed after a
// reload, a lost connection or a restart of the server. A second list shows how far the uploads
// of all visitors are, live, as keys of a state topic. Files aren't kept: the reply is their
// SHA-256.
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
	flags := flag.NewFlagSet("upload", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8005", "`address` to listen on; port 0 takes a free one")
	host := flags.String("host", "", serve.HostFlag)
	dir := flags.String("dir", "", "`folder` for what has arrived, so that uploads survive a restart; without it, a temporary one")
	drainDelay := flags.Duration("drain-delay", 0, serve.DrainDelayFlag)
	_ = flags.Parse(args) // ExitOnError
	if flags.NArg() > 0 {
		return errors.New("upload takes flags only; see -help")
	}
	s, err := openShelf(membroker.New(membroker.Options{Topics: topics}), *dir)
	if err != nil {
		return err
	}
	return serve.Run(ctx, stdout, serve.Server{
		Name: "Upload", Addr: *addr, Handler: serve.Hosts(*addr, *host)(s.routes()), Drain: s.close, DrainDelay: *drainDelay,
	})
}
