package transport_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// TestInjectionIsRefusedAtPublish: what could break out of a line of an event stream
// isn't taken from anybody.
func TestInjectionIsRefusedAtPublish(t *testing.T) {
	hub, server := routes(t, push.Options{Authorize: push.Anyone}, transport.Options{PublishKey: "secret"})
	for _, evil := range []string{
		"a\nb", "a\rb", "a\r\nb", "\n", "a\n\ndata: forged\n\n", "a\rdata: forged", "a\x00b", " a", "a ", "\ufeffa", "a\u2028b", "a\u2029b", "a\u0085b",
		"a\x1b[31mb", "a\x7fb", "a\u202eb", "a\u200bb", "\xff", "\xed\xa0\x80", strings.Repeat("a", 1<<10),
	} {
		for _, field := range []string{"topic", "event", "key", "id"} {
			query := url.Values{"topic": {"a"}}
			query.Set(field, evil)
			for path, headers := range map[string]map[string]string{"publish": key(), "send": nil} {
				if path == "send" && field == "key" {
					continue // not a part of what a client sends
				}
				response, body := (call{"POST", path + "?" + query.Encode(), "x", headers}).do(t, server)
				if response.StatusCode != 400 || !strings.Contains(body, `"bad_request"`) || strings.Contains(body, "forged") {
					t.Errorf("%s with the %s %q: %d %s", path, field, evil, response.StatusCode, body)
				}
			}
		}
	}
	if n := hub.Stats().Published; n != 0 {
		t.Errorf("%d messages were published", n)
	}
}
