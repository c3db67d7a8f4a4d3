package session

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// source is where a request comes from.
type source struct {
	address netip.Addr // invalid if there is none, as on a Unix socket
	shared  bool       // it may be a proxy's that nobody has told us of, and stand for everybody
}

// source finds out where a request comes from: from the other end of its connection or,
// if that is a listed proxy, from the last one in X-Forwarded-For that isn't. Whatever
// stands before that one the client may have made up.
func (h *Host) source(r *http.Request) source {
	proxies := h.options.Proxies
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	address := peer.Addr().Unmap().WithZone("")
	if err != nil {
		return source{shared: true}
	}
	if !listed(proxies, address) {
		return source{subscriber(address), private(address)}
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, entry := range slices.Backward(forwarded) {
		hop, ok := parseHop(strings.TrimSpace(entry))
		if !ok {
			break
		}
		address = hop
		if !listed(proxies, address) {
			return source{address: subscriber(address)}
		}
	}
	return source{subscriber(address), true} // a proxy that doesn't say for whom
}

// parseHop reads an entry of X-Forwarded-For: an address, which some proxies give with
// its port.
func parseHop(entry string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(entry)
	if err != nil {
		withPort, err := netip.ParseAddrPort(entry)
		if err != nil {
			return netip.Addr{}, false
		}
		address = withPort.Addr()
	}
	return address.Unmap().WithZone(""), true
}

func listed(proxies []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// carrierGrade are the addresses between a carrier's customers and its NAT (RFC 6598),
// which clouds use for what stands before a server.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

// private reports whether an address is of this machine or its network, as a proxy's
// is.
func private(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || carrierGrade.Contains(a)
}

// subscriber gives the address by which a subscriber is known: of IPv6 the first 64
// bits, since the rest is the subscriber's choice (RFC 4291, section 2.5.4).
func subscriber(a netip.Addr) netip.Addr {
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a
}
