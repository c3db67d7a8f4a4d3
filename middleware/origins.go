// Package middleware holds http middlewares, one a file, that go well with push
// streams: none of them buffers, compresses or times out a whole response.
package middleware

import (
	"net/http"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Origins lets pages of other origins use a handler, as far as they are allowed
// (the CORS protocol of the WHATWG Fetch standard), and refuses all others with
// 403 before the handler sees the request. Preflight requests are answered.
//
// A listed origin may send cookies. With push.AnyOrigin pages get no access
// with cookies, only without.
func Origins(allowed push.Origins) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Add("Vary", "Origin")
			if !allowed.Allow(r) {
				protocol.WriteError(w, push.Errorf(push.CodeForbidden, "this origin is not allowed", nil))
				return
			}
			if origin := r.Header.Get("Origin"); origin != "" {
				switch {
				case allowed.Listed(origin):
					h.Set("Access-Control-Allow-Origin", origin)
					h.Set("Access-Control-Allow-Credentials", "true")
				case allowed.Any():
					h.Set("Access-Control-Allow-Origin", "*")
				}
			}
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST")
				h.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Content-Type, Last-Event-ID")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
