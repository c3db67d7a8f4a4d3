// Package dashboard is the live page for operators: transport.Dashboard mounts it.
//
// Nothing runs while nobody looks. The handler of each viewer's event stream wakes up once a
// second, and the first of them makes the snapshot that all of them write.
package dashboard

import (
	"net/http"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// Routes returns the handlers of a hub's dashboard by their names right below its mount; the
// page's own is "".
func Routes(hub *push.Hub) map[string]http.Handler {
	host := session.Of(hub)
	routes := pages()
	routes["events"] = reads(ownPagesOnly(&stream{sampler: newSampler(hub, host), slots: make(chan struct{}, maxViewers)}))
	routes["user"] = reads(ownPagesOnly(&userHandler{host: host, turn: make(chan struct{}, 1)}))
	return routes
}

// reads refuses other methods than those that read.
func reads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownPagesOnly refuses what pages of other sites ask for. They couldn't read the answer, but
// could take all slots of viewers.
func ownPagesOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
			next.ServeHTTP(w, r)
		default:
			refuse(w, http.StatusForbidden, "this is for the dashboard's own page")
		}
	})
}

// refuse answers with a sentence for people. It isn't counted among the hub's refusals, which
// are about clients.
func refuse(w http.ResponseWriter, status int, reason string) {
	setHeaders(w)
	http.Error(w, reason, status)
}

// setHeaders says that an answer is of this moment.
func setHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
