package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/middleware"
)

func TestHosts(t *testing.T) {
	tests := []struct {
		host string
		want bool
	}{
		{"localhost", true}, {"localhost:8000", true}, {"LocalHost:8000", true},
		{"127.0.0.1", true}, {"127.0.0.1:8000", true}, {"[::1]", true}, {"[::1]:8000", true}, {"192.0.2.1", true},
		{"app.example", true}, {"APP.example:443", true}, {"other.example", true},
		{"evil.example", false}, {"evil.example:8000", false}, {"", false}, {":8000", false},
		{"app.example.evil.example", false}, {"evilapp.example", false}, {"sub.app.example", false}, {"app.example.", false},
		{"localhost.evil.example", false}, {"evil.localhost", false}, {"127.0.0.1.evil.example", false},
		{"127.1", false}, {"2130706433", false}, {"0x7f000001", false}, {"127.0.0.01", false},
		{"app.example@evil.example", false}, {"evil.example:80:80", false}, {"app.example/evil", false}, {"ſpp.example", false},
	}
	handler := middleware.Hosts("app.example", "Other.Example")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = tt.host
		r.Header.Set("X-Forwarded-Host", "app.example")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		want := http.StatusMisdirectedRequest
		if tt.want {
			want = http.StatusOK
		}
		if w.Code != want {
			t.Errorf("%q: %d, want %d", tt.host, w.Code, want)
		}
		if json := w.Header().Get("Content-Type"); !tt.want && (json != "application/json" || !strings.Contains(w.Body.String(), `"code":"bad_request"`)) {
			t.Errorf("%q: answered %s as %q", tt.host, w.Body, json)
		}
	}
}
