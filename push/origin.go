package push

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Origins says which web pages may connect, by the Origin header that every
// browser sends with a WebSocket handshake, a POST and a cross-site fetch
// (RFC 6454, RFC 6455 section 10.2). The zero value allows pages of the same
// host only. Each entry allows one more origin, written as a browser writes
// it: "https://app.example.com" or "http://localhost:5173". There are no
// patterns: what isn't listed is refused.
type Origins []string

// AnyOrigin allows every page on the web to connect with its visitors'
// cookies. It is for public data only: topics that anyone may follow, on a
// server that knows nobody by a cookie.
var AnyOrigin = Origins{"*"}

// Any reports whether every origin is allowed.
func (o Origins) Any() bool {
	return slices.Contains(o, "*")
}

// Listed reports whether origin is named by an entry, host and scheme compared
// without regard to case.
func (o Origins) Listed(origin string) bool {
	for _, allowed := range o {
		if allowed != "*" && strings.EqualFold(allowed, origin) {
			return true
		}
	}
	return false
}

// Allow reports whether r comes from a page that may connect. A request with
// no Origin header doesn't come from another site's script, with one
// exception: a plain cross-site GET carries the visitor's cookies and no
// Origin, so a request with cookies and no Origin is allowed only where the
// browser itself says that it comes from the same place, by Sec-Fetch-Site or,
// where that isn't sent (plain HTTP to another machine), by Referer.
func (o Origins) Allow(r *http.Request) bool {
	if o.Any() {
		return true
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		site := r.Header.Get("Sec-Fetch-Site")
		if site != "" {
			return site == "same-origin" || site == "none"
		}
		if r.Header.Get("Cookie") == "" {
			return true
		}
		u, err := url.Parse(r.Header.Get("Referer"))
		return err == nil && strings.EqualFold(u.Host, r.Host)
	}
	if len(origins) > 1 {
		return false
	}
	u, err := url.Parse(origins[0])
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return o.Listed(origins[0])
	}
	return strings.EqualFold(u.Host, r.Host) || o.Listed(origins[0])
}
