package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// failing is a broker whose store is away.
type failing struct{ *membroker.Broker }

func (failing) Health(context.Context) error {
	return push.NewError(push.CodeUnavailable, "the store can't be reached", errors.New("dial 10.1.2.3:6379 as admin:secret"))
}

func TestProbes(t *testing.T) {
	drained := push.New(membroker.New(), push.Options{})
	drained.Drain()
	for _, test := range []struct {
		name        string
		hub         *push.Hub
		live, ready int
		reason      string
	}{
		{"healthy", push.New(membroker.New(), push.Options{}), 200, 200, ""},
		{"draining", drained, 200, 503, "shutting down"},
		{"without its broker", push.New(failing{membroker.New()}, push.Options{}), 200, 503, "the store can't be reached"},
		{"mounted badly", push.New(membroker.New(), push.Options{Origins: []string{"nothing"}}), 200, 200, "Options.Origins"},
	} {
		t.Run(test.name, func(t *testing.T) {
			transport.Routes(test.hub)
			defer func() {
				if err := test.hub.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			probe := func(h http.Handler, want int) string {
				t.Helper()
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
				if w.Code != want || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") || !json.Valid(w.Body.Bytes()) {
					t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
				}
				if body := w.Body.String(); strings.Contains(body, "secret") || strings.Contains(body, "10.1.2.3") {
					t.Errorf("the cause of an error is told: %s", body)
				}
				return w.Body.String()
			}
			if body := probe(transport.Readyz(test.hub), test.ready); !strings.Contains(body, test.reason) {
				t.Errorf("the body doesn't say %q: %s", test.reason, body)
			}
			probe(transport.Healthz(test.hub), test.live)
		})
	}
}

func TestProbesAreRead(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{})
	w := httptest.NewRecorder()
	transport.Readyz(hub).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
