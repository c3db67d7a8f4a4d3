// Command answers shows how the answer of a language model reaches pages while it is being
// written:
//
//	go run ./examples/answers
//
// An answer outlives the request that asked for it. A page that is loaded again gets only the
// rest; one that comes late gets the text so far as one value. Whoever has asked may stop it.
// There is no model: the words are made up, the same for the same question.
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
	flags := flag.NewFlagSet("answers", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8004", "`address` to listen on; port 0 takes a free one")
	host := flags.String("host", "", serve.HostFlag)
	redis := flags.String("redis", "", "`URL` of a Redis that several instances share, as in redis://localhost:6379; without it, memory")
	rate := flags.Int("rate", 100, "`tokens` a second")
	drainDelay := flags.Duration("drain-delay", 0, serve.DrainDelayFlag)
	_ = flags.Parse(args) // ExitOnError
	if flags.NArg() > 0 || *rate < 1 || *rate > 1000 {
		return errors.New("answers takes flags only, and a rate from 1 to 1000; see -help")
	}
	broker, err := serve.Broker(ctx, *redis, brokerOptions)
	if err != nil {
		return err
	}
	site := newSite(broker, *rate)
	return serve.Run(ctx, stdout, serve.Server{
		Name: "Answers", Addr: *addr, Handler: serve.Hosts(*addr, *host)(site.routes()), Drain: site.close, DrainDelay: *drainDelay,
	})
}
