package transport_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport"
)

// preflight is what a browser asks before a page's request.
func preflight(origin string, headers ...string) call {
	asked := map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST"}
	if len(headers) > 0 {
		asked["Access-Control-Request-Headers"] = headers[0]
	}
	return call{"OPTIONS", "send?topic=a", "", asked}
}

func TestPreflight(t *testing.T) {
	_, server := routes(t, push.Options{Origins: session.Origins{"https://friend.example"}}, transport.Options{})
	friend, _ := preflight("https://friend.example").do(t, server)
	if friend.StatusCode != http.StatusNoContent || friend.Header.Get("Access-Control-Allow-Origin") != "https://friend.example" ||
		friend.Header.Get("Access-Control-Allow-Credentials") != "true" || friend.Header.Get("Vary") != "Origin" {
		t.Errorf("friend: %d %v", friend.StatusCode, friend.Header)
	}
	evil, _ := preflight("https://evil.example", "traceparent").do(t, server)
	if evil.StatusCode != http.StatusForbidden || evil.Header.Get("Access-Control-Allow-Origin") != "" || evil.Header.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("evil: %d %v", evil.StatusCode, evil.Header)
	}
	_, open := routes(t, push.Options{Origins: []string{push.AnyOrigin}}, transport.Options{})
	response, _ := (call{"POST", "send?topic=a", "x", map[string]string{"Origin": "https://evil.example"}}).do(t, open)
	if response.Header.Get("Access-Control-Allow-Origin") != "*" || response.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("any origin: %v", response.Header)
	}
}

// TestPreflightAllowsWhatIsAskedFor: headers of tracing, of the application, of others, if
// they are names and not too many.
func TestPreflightAllowsWhatIsAskedFor(t *testing.T) {
	_, server := routes(t, push.Options{Origins: session.Origins{"https://friend.example"}}, transport.Options{})
	tests := []struct {
		asked string
		good  bool
	}{
		{"authorization,content-type", true}, {"traceparent, tracestate", true}, {"last-event-id", true},
		{"x-app_1.!#$%&'*+-^`|~", true}, {strings.Repeat("x", 1024), true},
		{"", false}, {"a b", false}, {"a,,b", false}, {"a:b", false}, {"a;b", false}, {`"a"`, false}, {"ä", false}, {"a,", false},
		{strings.Repeat("x", 1025), false},
	}
	for _, tt := range tests {
		response, _ := preflight("https://friend.example", tt.asked).do(t, server)
		want := ""
		if tt.good {
			want = tt.asked
		}
		if got := response.Header.Get("Access-Control-Allow-Headers"); got != want || response.StatusCode != http.StatusNoContent {
			t.Errorf("%.50q: %d %.50q", tt.asked, response.StatusCode, got)
		}
	}
}

// TestScriptsCanReadRetryAfter: of whatever is answered to a page that is allowed.
func TestScriptsCanReadRetryAfter(t *testing.T) {
	_, server := routes(t, push.Options{
		Origins: session.Origins{"https://friend.example"},
		Limits:  push.Limits{PerAddress: 1, Sends: push.Rate{PerSecond: 0.01, Burst: 1}},
		Identify: func(*http.Request) (push.Identity, error) {
			return push.Identity{User: "u"}, nil
		},
	}, transport.Options{})
	for i, want := range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusNotFound} { // nobody takes the first
		path := "send?topic=a"
		if want == http.StatusNotFound {
			path = "nothing"
		}
		response, _ := (call{"POST", path, "x", map[string]string{"Origin": "https://friend.example"}}).do(t, server)
		if response.StatusCode != want || response.Header.Get("Access-Control-Expose-Headers") != "Retry-After" ||
			response.Header.Get("Access-Control-Allow-Origin") != "https://friend.example" {
			t.Errorf("answer %d: %s %v", i, response.Status, response.Header)
		}
	}
}
