package main

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/examples/standalone/internal/api"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/metrics"
	"github.com/tidewire/tidewire/transport"
)

//go:embed page
var page embed.FS

// openAPI describes the routes of package api.
//
//go:embed openapi.json
var openAPI []byte

func (s *server) routes(hub *push.Hub) http.Handler {
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
	for path, handler := range map[string]http.Handler{"/readyz": readyz(hub), "/*": serve.Page(files)} {
		r.Method(http.MethodGet, path, handler)
		r.Method(http.MethodHead, path, handler)
	}
	return r
}

// opsRoutes are those for operators. What they say is for nobody else. The dashboard has names
// of users, so it is only at the names of the server, to which no other site can point its own.
func (s *server) opsRoutes(hub *push.Hub) http.Handler {
	r := chi.NewRouter()
	r.Handle("/healthz", transport.Healthz(hub))
	r.Handle("/readyz", transport.Readyz(hub))
	r.Get("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metrics.ContentType)
		_ = metrics.Write(w, hub.Stats()) // a scraper that has gone needs no figures
	})
	r.Handle("/", http.RedirectHandler("/dashboard/", http.StatusFound))
	r.Mount("/dashboard", serve.Hosts(s.config.Ops, s.config.Hosts())(transport.Dashboard(hub)))
	return r
}

// readyPatience is how long the broker may take to say how it is.
const readyPatience = 800 * time.Millisecond

// readyz answers whether a balancer should send new clients here, in a word. Those that are
// connected stay through all that Redis may suffer, so it is no reason to restart.
func readyz(hub *push.Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
		defer cancel()
		if err := hub.Health(ctx).Ready(); err != nil {
			http.Error(w, push.AsError(err).Reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	}
}
