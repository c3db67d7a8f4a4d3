package websocket

import (
	"crypto/tls"
	"net/http"
	"testing"
)

func TestSameOrigin(t *testing.T) {
	tests := []struct {
		host    string
		tls     bool
		origins []string
		want    bool
	}{
		{"example.com", false, nil, true},
		{"example.com", false, []string{"http://example.com"}, true},
		{"example.com", false, []string{"HTTP://EXAMPLE.com"}, true},
		{"Example.com", false, []string{"https://example.com"}, true}, // a proxy has taken TLS off
		{"example.com:80", false, []string{"http://example.com"}, true},
		{"example.com:443", false, []string{"https://example.com"}, true},
		{"example.com:8080", false, []string{"http://example.com:8080"}, true},
		{"[::1]:8080", false, []string{"http://[::1]:8080"}, true},
		{"[::1]", false, []string{"http://[::1]:80"}, true},
		{"example.com", true, []string{"https://example.com"}, true},

		{"example.com", true, []string{"http://example.com"}, false},
		{"example.com", false, []string{"http://evil.example"}, false},
		{"example.com", false, []string{"http://example.com.evil.example"}, false},
		{"example.com", false, []string{"http://sub.example.com"}, false},
		{"example.com", false, []string{"http://example.com:8080"}, false},
		{"example.com:8080", false, []string{"http://example.com"}, false},
		{"example.com", false, []string{"http://example.com", "http://example.com"}, false},
		{"example.com", false, []string{"http://example.com", "http://evil.example"}, false},
		{"example.com", false, []string{"null"}, false},
		{"example.com", false, []string{""}, false},
		{"", false, []string{"http://"}, false},
		{"example.com", false, []string{"example.com"}, false},
		{"example.com", false, []string{"ftp://example.com"}, false},
		{"example.com", false, []string{"http://user@example.com"}, false},
		{"example.com", false, []string{"http://example.com/"}, false},
		{"example.com", false, []string{"http://example.com?x"}, false},
		{"k.example", false, []string{"http://\u212a.example"}, false}, // a Kelvin sign
		{"\u212a.example", false, []string{"http://\u212a.example"}, false},
	}
	for _, tt := range tests {
		r := &http.Request{Host: tt.host, Header: http.Header{"Origin": tt.origins}}
		if tt.origins == nil {
			r.Header = http.Header{}
		}
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if err := SameOrigin(r); (err == nil) != tt.want {
			t.Errorf("%q at %q, TLS %v: %v", tt.origins, tt.host, tt.tls, err)
		}
		if err := AnyOrigin(r); err != nil {
			t.Errorf("%q: %v", tt.origins, err)
		}
	}
}
