package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/ws"
)

// instanceArgument is the first argument of a process that is to be an instance.
const instanceArgument = "instance"

const (
	drainTimeout  = 20 * time.Second
	headerTimeout = 5 * time.Second
)

// instance is an application instance as its users would write it: a hub on the Redis broker, served by chi.
func instance(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet(instanceArgument, flag.ContinueOnError)
	listen := flags.String("listen", "", "where to listen")
	sentinels := flags.String("sentinels", "", "addresses of the Sentinels, with commas between")
	name := flags.String("primary", "", "the primary's name")
	routes := flags.String("routes", "", "ADDRESS=LINK,…: how to reach the Redis servers")
	kind := flags.String("client", kinds[0], "the kind of Redis client")
	heartbeat := flags.Duration("heartbeat", defaultHeartbeat, "how often clients are pinged")
	if err := flags.Parse(args); err != nil {
		return err
	}
	abandoned := make(chan struct{})
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, stdin) // the parent never writes; the end means that it is gone
		close(abandoned)
	}()
	others := goleak.IgnoreCurrent()
	client := newRedis(*kind, failoverOptions(*name, strings.Split(*sentinels, ","), parseRoutes(*routes)))
	hub := push.New(redisbroker.New(client, redisbroker.Options{Topics: rules}), push.Options{Identify: identify, Authorize: push.Anyone})
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub, transport.Options{
		WebSocket: ws.New(hub, ws.Options{Heartbeat: *heartbeat, PongTimeout: *heartbeat}),
		SSE:       sse.New(hub, sse.Options{Heartbeat: *heartbeat}),
	}))
	var listening net.ListenConfig
	listener, err := listening.Listen(context.Background(), "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: headerTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Fprintln(stdout, listener.Addr())
	select {
	case <-ctx.Done():
	case <-abandoned:
		return errors.New("the parent is gone")
	}
	limit, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	stop()
	err = errors.Join(hub.Shutdown(limit), server.Shutdown(limit), client.Close())
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, goleak.Find(others))
}

const (
	userHeader = "Chaos-User"
	// lastsHeader says how long the identity lasts, if it doesn't for good.
	lastsHeader = "Chaos-Lasts"
)

// identify believes what a client says of itself.
func identify(r *http.Request) (push.Identity, error) {
	id := push.Identity{User: r.Header.Get(userHeader)}
	if text := r.Header.Get(lastsHeader); text != "" {
		lasts, err := time.ParseDuration(text)
		if err != nil {
			return id, err
		}
		id.Expires = time.Now().Add(lasts)
	}
	return id, nil
}

// kinds are the kinds of Redis clients that meet on one Redis.
var kinds = []string{"failover", "universal", "small"}

// newRedis makes a client: the usual one, one of few connections that speaks the older protocol, or one that an
// application chooses by its options.
func newRedis(kind string, o *redis.FailoverOptions) redis.UniversalClient {
	switch kind {
	case "universal":
		return redis.NewUniversalClient(&redis.UniversalOptions{
			MasterName: o.MasterName, Addrs: o.SentinelAddrs, Dialer: o.Dialer, IsClusterMode: false,
		})
	case "small":
		o.Protocol, o.PoolSize = 2, 3
	}
	return redis.NewFailoverClient(o)
}

// failoverOptions are those of a client that takes the given routes to the servers that the Sentinels name.
func failoverOptions(name string, sentinels []string, routes map[string]string) *redis.FailoverOptions {
	var dialer net.Dialer
	return &redis.FailoverOptions{
		MasterName:    name,
		SentinelAddrs: sentinels,
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			if link, ok := routes[address]; ok {
				address = link
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

func formatRoutes(routes map[string]string) string {
	var list []string
	for address, link := range routes {
		list = append(list, address+"="+link)
	}
	return strings.Join(list, ",")
}

func parseRoutes(text string) map[string]string {
	routes := map[string]string{}
	for route := range strings.SplitSeq(text, ",") {
		if address, link, ok := strings.Cut(route, "="); ok {
			routes[address] = link
		}
	}
	return routes
}

// runInstance is the main of an instance.
func runInstance() int {
	if err := instance(os.Args[2:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
