package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport"
)

// withCertificate stands for a connection whose client has shown a certificate.
const withCertificate = "Test-Certificate"

// originsServer has all routes, and counts what the application is asked.
func originsServer(t *testing.T, origins session.Origins) (server *httptest.Server, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	hub := push.New(membroker.New(), push.Options{
		Origins:   origins,
		Authorize: push.Anyone,
		Identify: func(*http.Request) (push.Identity, error) {
			asked.Add(1)
			return push.Identity{}, nil
		},
		Receive: func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil },
	})
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(withCertificate) != "" {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
			}
			next.ServeHTTP(w, r)
		})
	})
	r.Mount("/", transport.Routes(hub, transport.Options{AuthorizePublish: func(*http.Request, string) error {
		asked.Add(1)
		return nil
	}}))
	server = httptest.NewServer(r)
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return server, asked
}

// originRoutes are all requests that a page can make, and what they get if its origin
// is good.
var originRoutes = []struct {
	name, method, path string
	headers            map[string]string
	status             int
	body               string
}{
	{"ws", http.MethodGet, "/ws?topic=a", map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}, http.StatusSwitchingProtocols, ""},
	{"sse", http.MethodGet, "/sse?topic=a", nil, http.StatusOK, ""},
	{"poll", http.MethodGet, "/poll?topic=a&wait=0", nil, http.StatusOK, ""},
	{"posted sse", http.MethodPost, "/sse", form, http.StatusOK, "topic=a"}, // as simple a request as a send
	{"posted poll", http.MethodPost, "/poll", form, http.StatusOK, "topic=a&wait=0"},
	{"send", http.MethodPost, "/send?topic=a", nil, http.StatusOK, "hello"},
	{"publish", http.MethodPost, "/publish?topic=a", nil, http.StatusOK, "hello"},
	{"preflight", http.MethodOptions, "/send?topic=a", map[string]string{"Access-Control-Request-Method": "POST"}, http.StatusNoContent, "hello"},
}

var form = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

// TestOriginsOnAllRoutes: what a page of another site asks for is refused with 403
// everywhere, before the application is asked anything, and with nothing by which the
// page could read the answer.
func TestOriginsOnAllRoutes(t *testing.T) {
	const (
		all  = "ws sse poll posted sse posted poll send publish preflight"
		none = ""
		get  = "sse poll posted sse posted poll send publish preflight" // all but the handshake
	)
	listed := session.Origins{"https://friend.example", "http://xn--bcher-kva.example:81", "null"}
	tests := []struct {
		name    string
		origins session.Origins
		headers []string // in pairs; Host is the request's
		want    string   // the routes that are open
	}{
		// Pages of the same host.
		{"same host", nil, []string{"Origin", "http://site.example"}, all},
		{"same host, with a cookie", nil, []string{"Origin", "http://site.example", "Cookie", "a=b"}, all},
		{"same host, TLS before a proxy", nil, []string{"Origin", "https://site.example"}, all},
		{"same host in upper case", nil, []string{"Origin", "http://SITE.example"}, all},
		{"same port", nil, []string{"Origin", "http://site.example:8080", "Host", "site.example:8080"}, all},
		{"default port named in Origin", nil, []string{"Origin", "http://site.example:80"}, all},
		{"default port named in Host", nil, []string{"Origin", "http://site.example", "Host", "site.example:80"}, all},
		{"default port of TLS named in Host", nil, []string{"Origin", "https://site.example", "Host", "site.example:443"}, all},
		{"IPv6", nil, []string{"Origin", "http://[::1]:8080", "Host", "[::1]:8080"}, all},
		{"IPv6 with default port", nil, []string{"Origin", "http://[::1]", "Host", "[::1]:80"}, all},
		{"punycode", nil, []string{"Origin", "http://xn--bcher-kva.example", "Host", "xn--bcher-kva.example"}, all},
		{"same host, known to have TLS", nil, []string{"Origin", "https://site.example", withCertificate, "1"}, all},
		{"same host, TLS here but not there", nil, []string{"Origin", "http://site.example", withCertificate, "1"}, none},

		// Pages of other hosts.
		{"other host", nil, []string{"Origin", "http://evil.example"}, none},
		{"other host, with a cookie", nil, []string{"Origin", "http://evil.example", "Cookie", "a=b"}, none},
		{"other host, with a token", nil, []string{"Origin", "http://evil.example", "Authorization", "Bearer x"}, none},
		{"other host, that says it is the same", nil, []string{
			"Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin", "Referer", "http://site.example/",
			"X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example", "X-Original-Host", "evil.example",
		}, none},
		{"subdomain", nil, []string{"Origin", "http://sub.site.example"}, none},
		{"parent domain", nil, []string{"Origin", "http://example"}, none},
		{"other port", nil, []string{"Origin", "http://site.example:81"}, none},
		{"port of the other scheme", nil, []string{"Origin", "http://site.example:443"}, none},
		{"no port, where the site has one", nil, []string{"Origin", "http://site.example", "Host", "site.example:8080"}, none},
		{"empty port", nil, []string{"Origin", "http://site.example:"}, none},
		{"host as prefix", nil, []string{"Origin", "http://site.example.evil.example"}, none},
		{"host as suffix", nil, []string{"Origin", "http://evilsite.example"}, none},
		{"host as user", nil, []string{"Origin", "http://site.example@evil.example"}, none},
		{"host as user with password", nil, []string{"Origin", "http://site.example:80@evil.example"}, none},
		{"user of the host", nil, []string{"Origin", "http://evil@site.example"}, none},
		{"trailing dot", nil, []string{"Origin", "http://site.example."}, none},
		{"look-alike in punycode", nil, []string{"Origin", "http://xn--ste-8pa.example"}, none},
		{"look-alike that isn't ASCII", nil, []string{"Origin", "http://ſite.example"}, none},
		{"percent-encoded", nil, []string{"Origin", "http://site%2eexample"}, none},
		{"with a path", nil, []string{"Origin", "http://site.example/"}, none},
		{"with a query", nil, []string{"Origin", "http://site.example?"}, none},
		{"with a fragment", nil, []string{"Origin", "http://site.example#"}, none},
		{"with a space", nil, []string{"Origin", "http://site.example http://evil.example"}, none},
		{"with a comma", nil, []string{"Origin", "http://site.example,http://evil.example"}, none},
		{"two", nil, []string{"Origin", "http://site.example", "Origin", "http://evil.example"}, none},
		{"the same one twice", nil, []string{"Origin", "http://site.example", "Origin", "http://site.example"}, none},
		{"empty", nil, []string{"Origin", ""}, none},
		{"null", nil, []string{"Origin", "null"}, none},
		{"null with a cookie", nil, []string{"Origin", "null", "Cookie", "a=b"}, none},
		{"malformed", nil, []string{"Origin", "http://["}, none},
		{"scheme only", nil, []string{"Origin", "http://"}, none},
		{"host only", nil, []string{"Origin", "site.example"}, none},
		{"no scheme", nil, []string{"Origin", "//site.example"}, none},
		{"other scheme", nil, []string{"Origin", "chrome-extension://site.example"}, none},
		{"64 kB", nil, []string{"Origin", "http://site.example" + strings.Repeat("x", 64<<10)}, none},
		{"64 kB of dots", nil, []string{"Origin", "http://" + strings.Repeat(".", 64<<10)}, none},

		// Listed pages.
		{"listed", listed, []string{"Origin", "https://friend.example"}, all},
		{"listed in upper case", listed, []string{"Origin", "HTTPS://Friend.Example"}, all},
		{"listed with port and punycode", listed, []string{"Origin", "http://xn--bcher-kva.example:81"}, all},
		{"listed, other scheme", listed, []string{"Origin", "http://friend.example"}, none},
		{"listed, other port", listed, []string{"Origin", "https://friend.example:444"}, none},
		{"listed as suffix", listed, []string{"Origin", "https://evilfriend.example"}, none},
		{"listed as user", listed, []string{"Origin", "https://friend.example@evil.example"}, none},
		{"not listed", listed, []string{"Origin", "https://evil.example"}, none},
		{"null can't be listed", listed, []string{"Origin", "null"}, none},
		{"same host, with others listed", listed, []string{"Origin", "http://site.example"}, all},

		// No Origin.
		{"none", nil, nil, all},
		{"none, with a token", nil, []string{"Authorization", "Bearer x"}, all},
		{"none, with a cookie", nil, []string{"Cookie", "a=b"}, none},
		{"none, with Basic", nil, []string{"Authorization", "Basic YTpi"}, none},
		{"none, with Digest", nil, []string{"Authorization", "digest username=a"}, none},
		{"none, with Negotiate", nil, []string{"Authorization", "Negotiate YTpi"}, none},
		{"none, with NTLM", nil, []string{"Authorization", "NTLM YTpi"}, none},
		{"none, with a token and Basic", nil, []string{"Authorization", "Bearer x", "Authorization", "Basic YTpi"}, none},
		{"none, with a certificate", nil, []string{withCertificate, "1"}, none},
		{"none, with a cookie, same origin", nil, []string{"Cookie", "a=b", "Sec-Fetch-Site", "same-origin"}, get},
		{"none, with a cookie, typed by the user", nil, []string{"Cookie", "a=b", "Sec-Fetch-Site", "none"}, get},
		{"none, with a cookie, same site", nil, []string{"Cookie", "a=b", "Sec-Fetch-Site", "same-site"}, none},
		{"none, with a cookie, cross-site", nil, []string{"Cookie", "a=b", "Sec-Fetch-Site", "cross-site"}, none},
		{"none, with a cookie, from a page here", nil, []string{"Cookie", "a=b", "Referer", "http://site.example/page"}, get},
		{"none, with a cookie, from a page elsewhere", nil, []string{"Cookie", "a=b", "Referer", "http://evil.example/http://site.example"}, none},
		{"none, cross-site", nil, []string{"Sec-Fetch-Site", "cross-site"}, none},
		{"none allowed, with a cookie", session.Origins{push.NoOrigin}, []string{"Cookie", "a=b"}, all},
		{"none allowed, with a certificate", session.Origins{push.NoOrigin}, []string{withCertificate, "1"}, all},
		{"none allowed, cross-site", session.Origins{push.NoOrigin}, []string{"Cookie", "a=b", "Sec-Fetch-Site", "cross-site"}, none},
		{"none allowed, called so", session.Origins{push.NoOrigin}, []string{"Origin", push.NoOrigin}, none},
		{"none allowed, other host", session.Origins{push.NoOrigin}, []string{"Origin", "http://evil.example"}, none},

		// Everybody.
		{"any, other host", []string{push.AnyOrigin}, []string{"Origin", "https://evil.example"}, all},
		{"any, null", []string{push.AnyOrigin}, []string{"Origin", "null"}, all},
		{"any, none with a cookie", []string{push.AnyOrigin}, []string{"Cookie", "a=b"}, all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server, asked := originsServer(t, tt.origins)
			for _, route := range originRoutes {
				r, err := http.NewRequestWithContext(t.Context(), route.method, server.URL+route.path, strings.NewReader(route.body))
				if err != nil {
					t.Fatal(err)
				}
				if route.method == http.MethodGet {
					r.Body, r.ContentLength = nil, 0
				}
				r.Host = "site.example"
				for name, value := range route.headers {
					r.Header.Set(name, value)
				}
				for i := 0; i < len(tt.headers); i += 2 {
					if tt.headers[i] == "Host" {
						r.Host = tt.headers[i+1]
						continue
					}
					r.Header.Add(tt.headers[i], tt.headers[i+1])
				}
				asked.Store(0)
				response, err := server.Client().Transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				want := route.status
				open := strings.Contains(" "+tt.want+" ", " "+route.name+" ")
				if !open {
					want = http.StatusForbidden
				}
				if response.StatusCode != want {
					t.Errorf("%s: status %d, want %d", route.name, response.StatusCode, want)
				}
				if !open && asked.Load() > 0 {
					t.Errorf("%s: the application was asked", route.name)
				}
				wantReadable(t, route.name, tt.origins, r.Header.Get("Origin"), open, response.Header)
			}
		})
	}
}

// wantReadable checks what the answer lets a page of another origin do (CORS). A
// WebSocket knows nothing of that.
func wantReadable(t *testing.T, route string, origins session.Origins, origin string, open bool, h http.Header) {
	t.Helper()
	allowed, credentials := "", ""
	switch {
	case !open, origin == "", route == "ws":
	case origins.Any():
		allowed = "*" // which browsers don't take together with credentials
	case origins.Listed(origin):
		allowed, credentials = origin, "true"
	}
	if got := h.Get("Access-Control-Allow-Origin"); got != allowed {
		t.Errorf("%s: Access-Control-Allow-Origin is %q, want %q", route, got, allowed)
	}
	if got := h.Get("Access-Control-Allow-Credentials"); got != credentials {
		t.Errorf("%s: Access-Control-Allow-Credentials is %q", route, got)
	}
	if route != "ws" && h.Get("Vary") != "Origin" {
		t.Errorf("%s: Vary is %q", route, h.Get("Vary"))
	}
}
