package websocket

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

var errForeignOrigin = errors.New("this origin is not allowed: the Origin header isn't of the host in the Host header; " +
	"a proxy has to pass the Host header on")

// AnyOrigin allows every page on the web to connect with its visitors' cookies. It is
// for [AcceptOptions.CheckOrigin].
func AnyOrigin(*http.Request) error { return nil }

// SameOrigin allows pages of the same host and port as the request's Host header; where
// the connection is TLS, of https only. It allows requests without an Origin header too:
// every browser sends one with a WebSocket handshake, so they come from programs. It is
// the default of [AcceptOptions.CheckOrigin], and a part for checks of your own.
func SameOrigin(r *http.Request) error {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 || len(origins) == 1 && isOrigin(r, origins[0]) {
		return nil
	}
	return errForeignOrigin
}

// isOrigin reports whether origin is as browsers write it, a scheme and a host in ASCII,
// and names the host of the request.
func isOrigin(r *http.Request, origin string) bool {
	if strings.ContainsFunc(origin, func(r rune) bool { return r > '~' }) {
		return false // some characters have an ASCII letter as their lower case
	}
	scheme, host, found := strings.Cut(strings.ToLower(origin), "://")
	if u, err := url.Parse(origin); !found || err != nil || !strings.EqualFold(u.Host, host) {
		return false
	}
	port := "443"
	switch {
	case scheme == "http" && r.TLS == nil:
		port = "80"
	case scheme != "https":
		return false
	}
	return host != "" && addressOf(host, port) == addressOf(strings.ToLower(r.Host), port)
}

// addressOf adds a port to a host that has none.
func addressOf(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return host + ":" + port
}
