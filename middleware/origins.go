// Package middleware holds http middlewares, one a file, that go well with push
// streams: none of them buffers, compresses or times out a whole response.
package middleware

import (
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Origins lets pages of other origins use a handler, as far as the hub's
// push.Options.Origins allow them (the CORS protocol of the WHATWG Fetch standard), and
// refuses all others with 403 before the handler sees the request. Preflight requests
// are answered, and allow whatever headers the page asks for.
//
// A listed origin may send cookies. With push.AnyOrigin pages get no access
// with cookies, only without.
func Origins(hub *push.Hub) func(http.Handler) http.Handler {
	host := session.Of(hub)
	allowed := host.Origins()
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Add("Vary", "Origin")
			if e := allowed.Check(r); e != nil {
				protocol.Refuse(host, w, r, e)
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
				h.Set("Access-Control-Expose-Headers", "Retry-After")
			}
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Add("Vary", "Access-Control-Request-Headers")
				h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE") // of all routes; each refuses what it doesn't know
				if names := requestedHeaders(r); names != "" {
					h.Set("Access-Control-Allow-Headers", names)
				}
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// maxHeaderNames is how many bytes of header names a preflight may ask for.
const maxHeaderNames = 1 << 10

// requestedHeaders returns the names of the headers that a page wants to send; empty if
// they aren't a list of names.
func requestedHeaders(r *http.Request) string {
	list := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ",")
	if len(list) > maxHeaderNames {
		return ""
	}
	for name := range strings.SplitSeq(list, ",") {
		if !isToken(strings.Trim(name, " \t")) {
			return ""
		}
	}
	return list
}

// isToken reports whether s is a header's name (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
