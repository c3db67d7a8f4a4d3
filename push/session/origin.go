package session

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/push"
)

// Origins checks which web pages may connect; see push.Options.Origins.
type Origins []string

// Any reports whether every origin is allowed.
func (o Origins) Any() bool {
	return slices.Contains(o, push.AnyOrigin)
}

// Listed reports whether origin is named by an entry, host and scheme compared
// without regard to case. "null" never is: a page of any site can be sent so.
func (o Origins) Listed(origin string) bool {
	return isASCII(origin) && strings.Contains(origin, "://") && slices.ContainsFunc(o, func(allowed string) bool {
		return strings.EqualFold(allowed, origin)
	})
}

// mistaken are the entries that no browser's Origin header is equal to.
func (o Origins) mistaken() (entries []string) {
	for _, entry := range o {
		u, err := url.Parse(entry)
		switch {
		case entry == push.AnyOrigin, entry == push.NoOrigin:
		case err != nil, u.Host == "", !strings.EqualFold(entry, u.Scheme+"://"+u.Host), !isASCII(entry),
			strings.ContainsAny(entry, "*, "), u.Port() != "" && u.Port() == defaultPorts[u.Scheme]:
			entries = append(entries, entry)
		}
	}
	return entries
}

// warnOfOrigins logs entries with a mistake, which would otherwise show when a page of theirs
// is refused.
func (h *Host) warnOfOrigins() {
	for _, entry := range h.Origins().mistaken() {
		h.Warn("origin "+entry, "the entry "+escaped(entry)+" of Options.Origins matches no page")
		h.options.Logger.Warn("push: an entry of Options.Origins matches no page; it has to be as browsers write an origin: "+
			"scheme and host, no path, no default port, no pattern", "entry", escaped(entry))
	}
}

// Check returns nil if r comes from a page that may connect, or from no page. The error says why
// not, and what to look at.
//
// An Origin header must be one, and that of a listed page or of one of the same
// host and port; where the connection is TLS, of the same scheme too. The host is
// the request's Host header, which a proxy in front must pass on.
//
// Without one it is no script of another site, but it may be another site's
// plain GET, with the visitor's credentials. So if it has some that browsers send
// by themselves (cookies, HTTP authentication other than a token, a TLS
// certificate), the browser must say that it comes from the same place: by
// Sec-Fetch-Site or, where that isn't sent (plain HTTP to another machine), by
// Referer. With a WebSocket handshake every browser sends an Origin, so there
// neither helps. [push.NoOrigin] lifts all of this but for who says that it is
// another site.
func (o Origins) Check(r *http.Request) *push.Error {
	if o.Any() {
		return nil
	}
	switch origins := r.Header.Values("Origin"); {
	case len(origins) == 0:
		return o.checkNone(r)
	case len(origins) == 1 && (o.Listed(origins[0]) || isOwn(r, origins[0])):
		return nil
	default:
		return errForeign
	}
}

// checkNone decides about a request without an Origin header.
func (o Origins) checkNone(r *http.Request) *push.Error {
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case site != "" && site != "same-origin" && site != "none":
		return errOtherSite
	case !hasAmbientCredentials(r), slices.Contains(o, push.NoOrigin):
		return nil
	case r.Header.Get("Sec-WebSocket-Key") != "":
		return errNoOrigin
	case site != "":
		return nil
	}
	if u, err := url.Parse(r.Header.Get("Referer")); err != nil || !isHost(r, u) {
		return errNoOrigin
	}
	return nil
}

var (
	errForeign = &push.Error{
		Code: push.CodeForbidden,
		Reason: "this origin is not allowed: the Origin header is neither of the host in the Host header nor in push.Options.Origins; " +
			"a proxy has to pass the Host header on",
		Hint: "if the page is yours, list its origin in push.Options.Origins; if it is of the same host, the proxy has to pass " +
			"the Host header on, as by nginx's proxy_set_header Host $http_host",
	}
	errOtherSite = &push.Error{
		Code: push.CodeForbidden, Reason: "the Sec-Fetch-Site header says that this is a request of another site's page",
		Hint: "it has no Origin header, as one of an <img> or a link; a page of yours can use fetch, if push.Options.Origins lists it",
	}
	errNoOrigin = &push.Error{
		Code: push.CodeForbidden,
		Reason: "the Origin header is missing, beside credentials that browsers send by themselves (a cookie, HTTP authentication, " +
			"a TLS certificate); for programs that sign in so, push.Options.Origins needs push.NoOrigin",
		Hint: "if it is a program that signs in so, add push.NoOrigin to push.Options.Origins",
	}
)

// seenOrigin is what decides about an origin.
func seenOrigin(r *http.Request) []any {
	seen := []any{"host", escaped(r.Host)}
	for _, header := range []string{"Origin", "X-Forwarded-Host", "Sec-Fetch-Site"} {
		if values := r.Header.Values(header); len(values) > 0 {
			name := strings.ToLower(strings.ReplaceAll(header, "-", "_"))
			seen = append(seen, name, escaped(strings.Join(values, ", ")))
		}
	}
	return seen
}

// isOwn reports whether an Origin header names the host of the request. It must be
// as browsers write it: a scheme and a host in ASCII, and nothing else.
func isOwn(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(origin, u.Scheme+"://"+u.Host) && isHost(r, u)
}

// isHost reports whether a page at u has the host and the port of the request.
func isHost(r *http.Request, u *url.URL) bool {
	port := defaultPorts[u.Scheme]
	if port == "" || u.Host == "" || !isASCII(u.Host) || r.TLS != nil && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(withPort(u.Host, port), withPort(r.Host, port))
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// withPort adds a port to a host that has none.
func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return host + ":" + port
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}

// hasAmbientCredentials reports whether a request says who it is by something that
// a browser adds to any site's request by itself.
func hasAmbientCredentials(r *http.Request) bool {
	if len(r.Header["Cookie"]) > 0 || r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return true
	}
	for _, authorization := range r.Header.Values("Authorization") {
		scheme, _, _ := strings.Cut(strings.TrimSpace(authorization), " ")
		switch strings.ToLower(scheme) {
		case "basic", "digest", "negotiate", "ntlm":
			return true
		}
	}
	return false
}
