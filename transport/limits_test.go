package transport_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// TestSendRouteIsLimited: by user, or else by the address that a listed proxy names.
func TestSendRouteIsLimited(t *testing.T) {
	_, server := routes(t, push.Options{
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Limits:  push.Limits{Sends: push.Rate{PerSecond: 0.01, Burst: 2}, Failures: push.Rate{PerSecond: 0.01, Burst: 2}},
		Identify: func(r *http.Request) (push.Identity, error) {
			user := r.Header.Get("User")
			if user == "unknown" {
				return push.Identity{}, push.CodeUnauthenticated
			}
			return push.Identity{User: user}, nil
		},
		Receive: func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil },
	}, transport.Options{})
	const (
		fine    = "200 {}"
		limited = `429 {"code":"rate_limited"`
		unknown = `401 {"code":"unauthenticated"`
	)
	tests := []struct {
		user, address string
		want          []string
	}{
		{"u", "203.0.113.1", []string{fine, fine, limited, limited}},
		{"u", "203.0.113.2", []string{limited}},
		{"v", "203.0.113.1", []string{fine, fine, limited}},
		{"", "203.0.113.1", []string{fine, fine, limited}},
		{"", "203.0.113.2", []string{fine}},
		{"unknown", "203.0.113.3", []string{unknown, unknown, limited}},
		{"w", "203.0.113.3", []string{limited}},
		{"w", "203.0.113.1", []string{fine}},
	}
	for _, tt := range tests {
		for i, want := range tt.want {
			response, body := call{"POST", "send?topic=a", "hello", map[string]string{
				"User": tt.user, "X-Forwarded-For": "198.51.100.1, " + tt.address,
			}}.do(t, server)
			if got := response.Status[:4] + body; !strings.HasPrefix(got, want) {
				t.Errorf("%q at %s, message %d: %s, want %s", tt.user, tt.address, i, got, want)
			}
			if after := response.Header.Get("Retry-After"); (after != "") != (want == limited) {
				t.Errorf("%q at %s, message %d: Retry-After is %q", tt.user, tt.address, i, after)
			}
		}
	}
}
