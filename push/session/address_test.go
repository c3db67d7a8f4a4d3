package session

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/tidewire/tidewire/push"
)

// TestAddressOfARequest: what a client says of itself counts for nothing, and what a
// listed proxy says counts.
func TestAddressOfARequest(t *testing.T) {
	h := &Host{options: push.Options{Proxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48"),
	}}}
	tests := []struct {
		name      string
		peer      string
		forwarded []string
		address   string // empty: none
		shared    bool
	}{
		{"a public peer", "203.0.113.7:4711", nil, "203.0.113.7", false},
		{"a public peer that forges", "203.0.113.7:4711", []string{"198.51.100.1"}, "203.0.113.7", false},
		{"loopback", "127.0.0.1:4711", nil, "127.0.0.1", true},
		{"loopback that isn't listed", "127.0.0.1:4711", []string{"198.51.100.1"}, "127.0.0.1", true},
		{"IPv6 loopback", "[::1]:4711", nil, "::", true},
		{"a private network", "192.168.1.2:4711", nil, "192.168.1.2", true},
		{"a carrier's network", "100.64.3.4:4711", nil, "100.64.3.4", true},
		{"a link", "[fe80::1%eth0]:4711", nil, "fe80::", true},
		{"IPv6 by its first half", "[2001:db8:1:2:3:4:5:6]:4711", nil, "2001:db8:1:2::", false},
		{"IPv4 in IPv6", "[::ffff:203.0.113.7]:4711", nil, "203.0.113.7", false},
		{"a Unix socket", "@", []string{"198.51.100.1"}, "", true},
		{"through a proxy", "10.1.1.1:4711", []string{"198.51.100.1"}, "198.51.100.1", false},
		{"through a proxy, forged before it", "10.1.1.1:4711", []string{"1.2.3.4, 198.51.100.1"}, "198.51.100.1", false},
		{"through a proxy, forged in a line before", "10.1.1.1:4711", []string{"1.2.3.4", "198.51.100.1"}, "198.51.100.1", false},
		{"through two proxies", "10.1.1.1:4711", []string{"1.2.3.4,198.51.100.1 ,\t10.2.2.2"}, "198.51.100.1", false},
		{"through an IPv6 proxy", "[2001:db8:ffff::1]:4711", []string{"2001:db8:1:2::9"}, "2001:db8:1:2::", false},
		{"a private client of a proxy", "10.1.1.1:4711", []string{"192.168.1.2"}, "192.168.1.2", false},
		{"with a port", "10.1.1.1:4711", []string{"198.51.100.1:80"}, "198.51.100.1", false},
		{"IPv6 with a port", "10.1.1.1:4711", []string{"[2001:db8:1:2::9]:80"}, "2001:db8:1:2::", false},
		{"a proxy for itself", "10.1.1.1:4711", nil, "10.1.1.1", true},
		{"a proxy for a proxy", "10.1.1.1:4711", []string{"10.2.2.2"}, "10.2.2.2", true},
		{"garbage from a proxy", "10.1.1.1:4711", []string{"198.51.100.1, <script>"}, "10.1.1.1", true},
		{"unknown to a proxy", "10.1.1.1:4711", []string{"198.51.100.1, unknown, 10.2.2.2"}, "10.2.2.2", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := h.source(&http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.forwarded}})
			var want netip.Addr
			if tt.address != "" {
				want = netip.MustParseAddr(tt.address)
			}
			if got.address != want || got.shared != tt.shared {
				t.Errorf("got %+v, want %v, shared %v", got, want, tt.shared)
			}
		})
	}
}
