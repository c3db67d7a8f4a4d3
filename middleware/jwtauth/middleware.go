package jwtauth

import (
	"context"
	"net/http"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

type contextKey struct{}

// Middleware lets requests through to the application's own handlers that Identify
// knows, with their identity in the context, and answers all others with the error's
// status. The push routes don't need it: they ask Identify themselves, once a
// WebSocket can be told the reason.
//
// With Options.Cookie, put middleware.Origins or http.CrossOriginProtection before
// it: a page of another site can have a browser send the cookie.
func (a *Authenticator) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := a.Identify(r)
		if err != nil {
			protocol.WriteError(w, r, push.AsError(err))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, id)))
	})
}

// FromContext returns the identity that Middleware has put into a request's context,
// and whether it has. With Options.Anonymous it may be the zero Identity.
func FromContext(ctx context.Context) (push.Identity, bool) {
	id, ok := ctx.Value(contextKey{}).(push.Identity)
	return id, ok
}
