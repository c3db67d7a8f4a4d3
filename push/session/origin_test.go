package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

func TestOrigins(t *testing.T) {
	listed := session.Origins{"https://friend.example", "http://localhost:5173"}
	tests := []struct {
		name    string
		origins session.Origins
		headers map[string]string
		want    bool
	}{
		{"same host", nil, map[string]string{"Origin": "http://site.example"}, true},
		{"same host in upper case", nil, map[string]string{"Origin": "http://SITE.example"}, true},
		{"other host", nil, map[string]string{"Origin": "http://evil.example"}, false},
		{"other port", nil, map[string]string{"Origin": "http://site.example:81"}, false},
		{"host as prefix", nil, map[string]string{"Origin": "http://site.example.evil.com"}, false},
		{"host as suffix", nil, map[string]string{"Origin": "http://evilsite.example"}, false},
		{"host as user", nil, map[string]string{"Origin": "http://site.example@evil.example"}, false},
		{"user of the host", nil, map[string]string{"Origin": "http://evil@site.example"}, false},
		{"trailing dot", nil, map[string]string{"Origin": "http://site.example."}, false},
		{"with path", nil, map[string]string{"Origin": "http://site.example/"}, false},
		{"null", nil, map[string]string{"Origin": "null"}, false},
		{"malformed", nil, map[string]string{"Origin": "http://["}, false},
		{"scheme only", nil, map[string]string{"Origin": "http://"}, false},
		{"other scheme", nil, map[string]string{"Origin": "chrome-extension://site.example"}, false},
		{"listed", listed, map[string]string{"Origin": "https://friend.example"}, true},
		{"listed with port", listed, map[string]string{"Origin": "http://localhost:5173"}, true},
		{"listed with other scheme", listed, map[string]string{"Origin": "http://friend.example"}, false},
		{"listed extension", session.Origins{"chrome-extension://abc"}, map[string]string{"Origin": "chrome-extension://abc"}, true},
		{"null is not listed by a star inside", session.Origins{"https://*"}, map[string]string{"Origin": "null"}, false},
		{"any", []string{push.AnyOrigin}, map[string]string{"Origin": "https://evil.example"}, true},
		{"any, null", []string{push.AnyOrigin}, map[string]string{"Origin": "null"}, true},
		{"none", nil, nil, true},
		{"none with cookie", nil, map[string]string{"Cookie": "a=b"}, false},
		{"none with cookie, same origin", nil, map[string]string{"Cookie": "a=b", "Sec-Fetch-Site": "same-origin"}, true},
		{"none with cookie, typed by the user", nil, map[string]string{"Cookie": "a=b", "Sec-Fetch-Site": "none"}, true},
		{"none with cookie, cross-site", nil, map[string]string{"Cookie": "a=b", "Sec-Fetch-Site": "cross-site"}, false},
		{"none with cookie, same referer", nil, map[string]string{"Cookie": "a=b", "Referer": "http://site.example/page"}, true},
		{"none with cookie, other referer", nil, map[string]string{"Cookie": "a=b", "Referer": "http://evil.example/"}, false},
		{"none, cross-site", nil, map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://site.example/push/sse", nil)
			for name, value := range test.headers {
				r.Header.Set(name, value)
			}
			if got := test.origins.Check(r); (got == nil) != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
	r := httptest.NewRequest(http.MethodGet, "http://site.example/", nil)
	r.Header["Origin"] = []string{"http://site.example", "http://evil.example"}
	if (session.Origins)(nil).Check(r) == nil {
		t.Error("two Origin headers were allowed")
	}
}
