package serve

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tidewire/tidewire/middleware"
)

// HostFlag is what an example's -host flag says of itself.
const HostFlag = "the `names` of the server to browsers, with commas between; without it, localhost and IP addresses " +
	"on a loopback address, and any elsewhere"

// Hosts keeps pages out whose name was made to point to this machine: it is what
// an example's -host flag asks for.
func Hosts(addr, names string) func(http.Handler) http.Handler {
	if names == "" && !isLoopback(addr) {
		return func(next http.Handler) http.Handler { return next }
	}
	return middleware.Hosts(strings.Split(names, ",")...)
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
