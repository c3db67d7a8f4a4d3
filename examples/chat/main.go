// Command chat is a chat with rooms, over Tidewire:
//
//	go run ./examples/chat
//
// Each room is a topic. Browsers follow it, and post by sending to it; the
// server checks each post and publishes it. The people in a room are its presence,
// and those that type there the keys of a state topic. Nobody signs in, so anyone can use any name.
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
	flags := flag.NewFlagSet("chat", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "`address` to listen on; port 0 takes a free one")
	host := flags.String("host", "", serve.HostFlag)
	redis := flags.String("redis", "", "`URL` of a Redis that several instances share, as in redis://localhost:6379; without it, memory")
	drainDelay := flags.Duration("drain-delay", 0, serve.DrainDelayFlag)
	_ = flags.Parse(args) // ExitOnError
	if flags.NArg() > 0 {
		return errors.New("chat takes flags only; see -help")
	}
	broker, err := serve.Broker(ctx, *redis, brokerOptions)
	if err != nil {
		return err
	}
	chat := newChat(broker)
	return serve.Run(ctx, stdout, serve.Server{
		Name: "Chat", Addr: *addr, Handler: serve.Hosts(*addr, *host)(chat.routes()), Drain: chat.hub.Shutdown, DrainDelay: *drainDelay,
	})
}
