package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Hosts refuses requests for a host that isn't one of these names, with 421
// (RFC 9110 section 15.5.20). Names are compared without regard to case or port, and
// as a whole. localhost and IP addresses are always good.
//
// It is for servers that trust who can reach them: on a loopback address, or inside
// of a network. Whoever owns a name can make it point to such a server, and their
// page then counts as one of the same origin (DNS rebinding). An IP address points
// nowhere else.
func Hosts(names ...string) func(http.Handler) http.Handler {
	known := map[string]bool{"localhost": true}
	for _, name := range names {
		known[strings.ToLower(name)] = name != ""
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.Host)
			if err != nil { // there is no port
				host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
			}
			if _, err := netip.ParseAddr(host); err != nil && !known[strings.ToLower(host)] {
				protocol.WriteErrorAs(w, r, http.StatusMisdirectedRequest, errOtherHost)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

var errOtherHost = push.NewError(push.CodeBadRequest, "the Host header names another server; middleware.Hosts lists the names of this one", nil)
