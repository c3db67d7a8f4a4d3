// Command standalone is a ready Tidewire server for backends in any language:
// they publish by HTTP, browsers follow.
//
//	TIDEWIRE_PUBLISH_KEY=secret go run ./examples/standalone -anyone
//
// Its page at / shows how, with commands to copy.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
)

//go:embed page
var page embed.FS

// keyVariable holds the publish key where ps doesn't show it.
const keyVariable = "TIDEWIRE_PUBLISH_KEY"

// drainWindow leaves the last client time to go before the server is cut off.
const drainWindow = 15 * time.Second

type config struct {
	addr       string
	host       string
	publishKey string
	anyone     bool
	relay      bool
	redis      string
	drainDelay time.Duration
	topics     []push.TopicRule
}

func main() { serve.Main(run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if !c.anyone {
		slog.Warn("nobody may follow anything; start with -anyone if all topics are public")
	}
	broker, err := serve.Broker(ctx, c.redis, redisbroker.Options{Topics: c.topics})
	if err != nil {
		return err
	}
	hub := newHub(c, broker)
	handler := serve.Hosts(c.addr, c.host)(routes(hub, broker, c))
	return serve.Run(ctx, stdout, serve.Server{
		Name: "Tidewire", Addr: c.addr, Handler: handler, Drain: hub.Shutdown, DrainDelay: c.drainDelay,
	})
}

func parse(args []string) (c config, err error) {
	flags := flag.NewFlagSet("standalone", flag.ExitOnError)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&c.host, "host", "", serve.HostFlag)
	flags.StringVar(&c.publishKey, "publish-key", "", "the `key` that publishers show; better given in "+keyVariable)
	flags.BoolVar(&c.anyone, "anyone", false, "anyone may follow any topic, from any web page or none")
	flags.BoolVar(&c.relay, "relay", false, "anyone who may follow a topic may send to it as well")
	flags.StringVar(&c.redis, "redis", "", "`URL` of a Redis that several instances share, as in redis://localhost:6379; without it, memory")
	flags.DurationVar(&c.drainDelay, "drain-delay", 0, serve.DrainDelayFlag)
	flags.Func("state", "`pattern` of topics that are states, as in prices/{market}; may be given again", func(pattern string) error {
		c.topics = append(c.topics, push.TopicRule{Pattern: pattern, State: true})
		_, err := broker.ParsePattern(pattern)
		return err
	})
	_ = flags.Parse(args) // ExitOnError
	if c.publishKey == "" {
		c.publishKey = os.Getenv(keyVariable)
	}
	if flags.NArg() > 0 {
		return c, errors.New("standalone takes flags only; see -help")
	}
	return c, nil
}

func newHub(c config, broker push.Broker) *push.Hub {
	options := push.Options{DrainWindow: drainWindow}
	if c.anyone { // else Authorize is nil, which refuses everybody
		options.Authorize, options.Origins = push.Anyone, []string{push.AnyOrigin}
	}
	var hub *push.Hub
	if c.relay { // else Receive is nil, which refuses what clients send
		options.Receive = func(ctx context.Context, in push.Inbound) (push.Reply, error) {
			receipt, err := hub.Publish(ctx, in.Message())
			if err != nil {
				return push.Reply{}, err
			}
			return push.Reply{Data: protocol.HTTPReceipt(receipt), Encoding: push.EncodingJSON}, nil
		}
	}
	hub = push.New(broker, options)
	return hub
}

func routes(hub *push.Hub, broker push.Broker, c config) http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub, transport.Options{PublishKey: c.publishKey}))
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context(), broker); err != nil {
			http.Error(w, push.AsError(err).Reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	r.Handle("/*", serve.Page(files))
	return r
}

// ready tells why a balancer should send no new clients here. Those that are
// connected stay through all that Redis may suffer, so it is no reason to restart.
func ready(ctx context.Context, broker push.Broker) error {
	if redis, ok := broker.(interface{ Health(context.Context) error }); ok {
		return redis.Health(ctx)
	}
	return nil
}
