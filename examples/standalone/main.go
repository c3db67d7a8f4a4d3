// Command standalone is a ready Tidewire server for backends in any language: they publish
// by HTTP, browsers follow.
//
//	TIDEWIRE_PUBLISH_KEY=secret go run ./examples/standalone -anyone
//
// Its page at / shows how, with commands to copy. docs/standalone.md is the guide: its
// configuration, users with JSON Web Tokens, the API for backends, and how it is deployed.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/examples/standalone/internal/access"
	"github.com/tidewire/tidewire/examples/standalone/internal/certs"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/examples/standalone/internal/systemd"
	"github.com/tidewire/tidewire/push"
)

// cutOff is how much longer than the drain window clients may take before they are cut off.
const cutOff = 5 * time.Second

// maxMessage is the default of brokers, below which the setting maxPublish doesn't go there.
const maxMessage = 64 << 10

func main() { serve.Main(run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	loaded, err := config.Load(args, os.Environ(), os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	c := &loaded.Config
	for _, name := range loaded.Unknown {
		slog.Warn("the environment has a variable that is no setting", "name", name)
	}
	s, err := prepare(c)
	if err != nil {
		return err
	}
	if loaded.CheckOnly {
		_, err := stdout.Write(c.Show())
		return err
	}
	if s.users.Nobody() {
		slog.Warn("nobody may follow anything; start with -anyone if all topics are public")
	}
	broker, err := serve.Broker(ctx, c.Redis, redisbroker.Options{
		Topics: c.TopicRules(), History: c.History.Options(), MaxMessage: max(maxMessage, int(c.Limits.MaxPublish)),
	})
	if err != nil {
		return err
	}
	return s.serve(ctx, stdout, newHub(c, s.users, broker))
}

// server is what the configuration and its files make.
type server struct {
	config   *config.Config
	users    *access.Users
	backends *access.Backends
	tls      *tls.Config
}

// prepare reads all files that the configuration names.
func prepare(c *config.Config) (s *server, err error) {
	s = &server{config: c}
	if s.users, err = access.NewUsers(c); err != nil {
		return nil, err
	}
	if s.backends, err = access.NewBackends(c); err != nil {
		return nil, err
	}
	if c.TLS.CertFile != "" {
		files, err := certs.Load(c.TLS.CertFile, c.TLS.KeyFile)
		if err != nil {
			return nil, err
		}
		s.tls = files.Config()
	}
	return s, nil
}

// serve serves until the context ends, and tells systemd of it.
func (s *server) serve(ctx context.Context, stdout io.Writer, hub *push.Hub) error {
	c, manager := s.config, systemd.New()
	watching, stop := context.WithCancel(context.WithoutCancel(ctx)) // while it drains, too
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop()
	tell := func(err error) {
		if err != nil {
			slog.Warn("systemd can't be told", "error", err)
		}
	}
	return serve.Run(ctx, stdout, serve.Server{
		Name: "Tidewire", Addr: c.Addr, Handler: serve.Hosts(c.Addr, c.Hosts())(s.routes(hub)), TLS: s.tls,
		OpsAddr: c.Ops, Ops: s.opsRoutes(hub),
		Drain: hub.Shutdown, DrainDelay: time.Duration(c.Drain.Delay), DrainTimeout: time.Duration(c.Drain.Window) + cutOff,
		Started: func() {
			tell(manager.Ready())
			ended, cancel := context.WithCancel(context.Background())
			cancel() // so that nobody waits for the broker
			watch.Go(func() { tell(manager.Watch(watching, func() error { return hub.Health(ended).Live() })) })
		},
		Draining: func() { tell(manager.Stopping()) },
	})
}
