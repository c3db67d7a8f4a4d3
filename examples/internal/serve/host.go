package serve

import (
	"net"
	"net/http"
	"strings"
)

// KnownHost refuses requests for any host name but localhost and, unless it is
// empty, name. Whoever owns a name can make it point to this machine, and their
// page would then count as one of this server (DNS rebinding). An IP address
// points nowhere else, so it is always good.
func KnownHost(name string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host := r.Host
			if h, _, err := net.SplitHostPort(host); err == nil {
				host = h
			}
			ip := net.ParseIP(strings.Trim(host, "[]"))
			if ip == nil && !strings.EqualFold(host, "localhost") && (name == "" || !strings.EqualFold(host, name)) {
				http.Error(w, "this server doesn't have that name", http.StatusMisdirectedRequest)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
