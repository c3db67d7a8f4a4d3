// Command chaos runs instances, publishers and clients on a Redis with a replica and Sentinels, while it breaks
// connections, kills instances and fails Redis over, by a seed:
//
//	go run ./chaos -for 10m -seed 1
//
// At the end it heals everything and compares what each client got with what was published. Nothing may be lost in
// silence, nothing may come twice or out of order, and each loss of Redis must be told by one gap. Each client also has a
// copy of a state, which may not go back and must be the broker's in the end. Else it prints what happened to whom, and
// fails.
//
// The clients are light ones in this process. What browsers do in such a run is tested with the browser client.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"github.com/rs/zerolog"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == instanceArgument {
		os.Exit(runInstance())
	}
	var c config
	flag.DurationVar(&c.lasts, "for", 10*time.Minute, "how long faults are fired")
	flag.DurationVar(&c.period, "period", 10*time.Second, "how often faults are drawn")
	flag.Uint64Var(&c.seed, "seed", rand.Uint64(), "what the faults are drawn from")
	flag.IntVar(&c.webSockets, "websockets", 500, "clients on WebSockets")
	flag.IntVar(&c.eventStreams, "eventstreams", 100, "clients on event streams")
	flag.IntVar(&c.topics, "topics", 20, "topics")
	flag.IntVar(&c.states, "states", 5, "topics that are states")
	flag.IntVar(&c.publishers, "publishers", 50, "publishers")
	flag.Float64Var(&c.rate, "rate", 200, "messages a second, of all publishers")
	flag.DurationVar(&c.heartbeat, "heartbeat", defaultHeartbeat, "how often instances are heard")
	flag.StringVar(&c.only, "only", "", "the kinds of faults, as F1,F45; empty for all")
	flag.Parse()
	// What libraries have to say of faults is no news.
	logging.Disable()
	zerolog.SetGlobalLevel(zerolog.Disabled)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := run(ctx, c, os.Stdout)
	if r != nil {
		r.print(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || len(r.failures()) > 0 {
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}
