package transport

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// mount finds the route of a request below wherever it is mounted.
type mount struct {
	routes  map[string]http.Handler // by name
	nothing http.Handler            // for what isn't there
}

func (m *mount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, name := range namesBelow(r) {
		if route := m.routes[name]; route != nil {
			// For logs and metrics. The mount's own pattern ends with a slash, or with a wildcard.
			r.Pattern = r.Pattern[:strings.LastIndexByte(r.Pattern, '/')+1] + name
			route.ServeHTTP(w, r)
			return
		}
	}
	m.nothing.ServeHTTP(w, r)
}

// namesBelow gives what may be the part of a request's path below the mount: what chi
// says, and the path, either as http.StripPrefix has left it or without what the
// mount's pattern stands for. A path is never searched for a name: then it would be open
// by more paths than a proxy in front has rules for.
func namesBelow(r *http.Request) []string {
	names := make([]string, 0, 3)
	if routed := chi.RouteContext(r.Context()); routed != nil && routed.RoutePath != "" {
		names = append(names, strings.TrimPrefix(routed.RoutePath, "/"))
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	names = append(names, path)
	if below, ok := withoutPattern(path, r.Pattern); ok && !isStripped(r) {
		names = append(names, below)
	}
	return names
}

// isStripped reports whether the path isn't any more what the client has asked for.
func isStripped(r *http.Request) bool {
	asked, err := url.ParseRequestURI(r.RequestURI)
	return err != nil || asked.Path != r.URL.Path
}

// withoutPattern gives a path without the segments that stand in the pattern by which
// it was found, but for the pattern's last.
func withoutPattern(path, pattern string) (below string, ok bool) {
	_, pattern, _ = strings.Cut(pattern, "/") // before it are a method and a host
	for {
		segment, more, isMore := strings.Cut(pattern, "/")
		if !isMore {
			return path, true
		}
		part, left, _ := strings.Cut(path, "/")
		if part != segment && !strings.HasPrefix(segment, "{") {
			return "", false
		}
		pattern, path = more, left
	}
}

// nothing answers what no route is there for.
type nothing struct{ host *session.Host }

func (h *nothing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protocol.RefuseAs(h.host, w, r, http.StatusNotFound, push.NewError(push.CodeBadRequest, "nothing is here: the routes are "+
		"ws, sse, poll, send, publish, refresh, and the files of the browser client such as client.mjs, right below the path of the mount; "+
		"a router that isn't chi's or the standard library's needs http.StripPrefix", nil))
}

// file serves a file of the browser client, and refuses other methods than those that read it.
func file(host *session.Host, client http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if protocol.CheckMethod(host, w, r, http.MethodGet, http.MethodHead) {
			client.ServeHTTP(w, r)
		}
	})
}
