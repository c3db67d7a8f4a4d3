package main

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/examples/standalone/internal/api"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

//go:embed page
var page embed.FS

// openAPI describes the routes of package api.
//
//go:embed openapi.json
var openAPI []byte

func (s *server) routes(hub *push.Hub, broker push.Broker) http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub, transport.Options{
		AuthorizePublish: func(r *http.Request, topic string) error { return s.backends.Allow(r, config.Publish, topic) },
		MaxPublish:       int64(s.config.Limits.MaxPublish), Tickets: s.config.Tickets,
	}))
	r.Mount("/api", api.Routes(hub, s.backends, openAPI))
	r.Get("/readyz", readyz(broker))
	r.Handle("/*", serve.Page(files))
	return r
}

// opsRoutes are those for operators. serve.Run answers /healthz.
func opsRoutes(hub *push.Hub, broker push.Broker) http.Handler {
	r := chi.NewRouter()
	r.Get("/readyz", readyz(broker))
	return r
}

// readyz answers whether a balancer should send new clients here. Those that are connected
// stay through all that Redis may suffer, so it is no reason to restart.
func readyz(broker push.Broker) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context(), broker); err != nil {
			http.Error(w, push.AsError(err).Reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	}
}

func ready(ctx context.Context, broker push.Broker) error {
	if redis, ok := broker.(interface{ Health(context.Context) error }); ok {
		return redis.Health(ctx)
	}
	return nil
}
