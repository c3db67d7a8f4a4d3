package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

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

// ofPages are the requests that a page of another origin makes with a token.
var ofPages = []call{
	{method: "GET", path: "sse?topic=a"},
	{method: "GET", path: "poll?topic=a&wait=0"},
	{method: "POST", path: "sse", body: "topic=a"},
	{method: "POST", path: "poll", body: "topic=a&wait=0"},
	{method: "POST", path: "send?topic=a"},
	{method: "POST", path: "ticket"},
	{method: "POST", path: "refresh?session=0199a1b2-0000-7000-8000-0000000000ff"},
}

// head makes a request and returns the answer without its body.
func (c call) head(t *testing.T, server *httptest.Server) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+"/app/push/"+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.headers {
		r.Header.Set(name, value)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}

// TestPagesSendTokens: a page that is allowed may send Authorization and a form's Content-Type
// on each route, as its browser finds out first, without credentials; and it can read the answer.
func TestPagesSendTokens(t *testing.T) {
	const friend = "https://friend.example"
	for origins, allowed := range map[string]string{friend: friend, push.AnyOrigin: "*"} {
		_, server := routes(t, push.Options{
			Origins: []string{origins}, Identify: byName,
			Receive: func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil },
		}, transport.Options{Tickets: true})
		for _, c := range ofPages {
			const asked = "authorization,content-type"
			c.headers = bearer("ann")
			c.headers["Origin"], c.headers["Content-Type"] = friend, "application/x-www-form-urlencoded"
			before := call{"OPTIONS", c.path, "", map[string]string{
				"Origin": friend, "Access-Control-Request-Method": c.method, "Access-Control-Request-Headers": asked,
			}}.head(t, server)
			if h := before.Header; before.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != allowed ||
				h.Get("Access-Control-Allow-Headers") != asked || !slices.Contains(strings.Split(h.Get("Access-Control-Allow-Methods"), ", "), c.method) {
				t.Errorf("%s: the preflight of %s %s: %s %v", origins, c.method, c.path, before.Status, h)
			}
			answer := c.head(t, server)
			if h := answer.Header; answer.StatusCode >= 300 || h.Get("Access-Control-Allow-Origin") != allowed {
				t.Errorf("%s: %s %s: %s %v", origins, c.method, c.path, answer.Status, h)
			}
		}
	}
}

// TestPagesReadRetryAfter on each route.
func TestPagesReadRetryAfter(t *testing.T) {
	const friend = "https://friend.example"
	_, server := routes(t, push.Options{
		Origins: []string{friend},
		Identify: func(*http.Request) (push.Identity, error) {
			return push.Identity{}, &push.Error{Code: push.CodeRateLimited, After: 2 * time.Second}
		},
	}, transport.Options{Tickets: true})
	for _, c := range ofPages {
		c.headers = map[string]string{"Origin": friend}
		if c.body != "" {
			c.headers["Content-Type"] = "application/x-www-form-urlencoded"
		}
		answer := c.head(t, server)
		if h := answer.Header; answer.StatusCode != http.StatusTooManyRequests || h.Get("Retry-After") != "2" ||
			h.Get("Access-Control-Expose-Headers") != "Retry-After" || h.Get("Access-Control-Allow-Origin") != friend {
			t.Errorf("%s %s: %s %v", c.method, c.path, answer.Status, h)
		}
	}
}
