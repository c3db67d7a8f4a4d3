package transport_test

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// docs/middleware.md shows how routes are mounted above a middleware that isn't for them.
func ExampleRoutes_aboveMiddleware() {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	home := http.NotFound

	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub)) // below nothing
	r.Group(func(r chi.Router) {
		r.Use(middleware.Throttle(100), middleware.Compress(5))
		r.Get("/", home)
	})
}
