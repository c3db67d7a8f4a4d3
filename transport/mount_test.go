package transport_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// TestMounts: the routes are found wherever they are mounted, by one path each.
func TestMounts(t *testing.T) {
	mux := func(pattern string, strip ...string) func(http.Handler) http.Handler {
		return func(routes http.Handler) http.Handler {
			for _, prefix := range strip {
				routes = http.StripPrefix(prefix, routes)
			}
			m := http.NewServeMux()
			m.Handle(pattern, routes)
			return m
		}
	}
	router := func(mount func(r chi.Router, routes http.Handler)) func(http.Handler) http.Handler {
		return func(routes http.Handler) http.Handler {
			r := chi.NewRouter()
			mount(r, routes)
			return r
		}
	}
	tests := []struct {
		name   string
		mount  func(http.Handler) http.Handler
		prefix string
		not    string // a path that isn't one of the mount's
	}{
		{"at the root", func(routes http.Handler) http.Handler { return routes }, "", "/push/publish"},
		{"ServeMux", mux("/push/"), "/push", "/push/push/publish"},
		{"ServeMux, deep", mux("/a/b/push/"), "/a/b/push", "/a/b/push/x/publish"},
		{"ServeMux, with a host", mux("app.example/push/"), "/push", "/push/x/publish"},
		{"ServeMux, with a wildcard", mux("/{tenant}/push/"), "/t/push", "/t/push/x/publish"},
		{"ServeMux, with a wildcard for the rest", mux("/push/{route...}"), "/push", "/push/x/publish"},
		{"ServeMux, at the root", mux("/"), "", "/push/publish"},
		{"ServeMux and StripPrefix", mux("/push/", "/push"), "/push", "/push/push/publish"},
		{"ServeMux and StripPrefix with a slash", mux("/push/", "/push/"), "/push", "/push/x/publish"},
		{"called like a route", mux("/ws/"), "/ws", "/ws/ws/publish"},
		{"called like a route, and StripPrefix", mux("/ws/", "/ws"), "/ws", "/ws/ws/publish"},
		{"ServeMux, one route", mux("POST /push/publish"), "/push", ""},
		{"chi's Mount", router(func(r chi.Router, h http.Handler) { r.Mount("/push", h) }), "/push", "/push/x/publish"},
		{"chi's Mount with a slash", router(func(r chi.Router, h http.Handler) { r.Mount("/push/", h) }), "/push", "/push/x/publish"},
		{"chi's Mount at the root", router(func(r chi.Router, h http.Handler) { r.Mount("/", h) }), "", "/push/publish"},
		{"chi's Mount, with a wildcard", router(func(r chi.Router, h http.Handler) { r.Mount("/{tenant}/push", h) }), "/t/push", "/t/push/x/publish"},
		{"chi's Route and Mount", router(func(r chi.Router, h http.Handler) {
			r.Route("/app", func(r chi.Router) { r.Route("/push", func(r chi.Router) { r.Mount("/", h) }) })
		}), "/app/push", "/app/push/x/publish"},
		{"chi's Handle", router(func(r chi.Router, h http.Handler) { r.Handle("/push/*", h) }), "/push", "/push/x/publish"},
		{"chi's Handle below a Route", router(func(r chi.Router, h http.Handler) {
			r.Route("/app", func(r chi.Router) { r.Handle("/push/*", h) })
		}), "/app/push", "/app/push/x/publish"},
		{"chi's Handle and StripPrefix", router(func(r chi.Router, h http.Handler) {
			r.Handle("/push/*", http.StripPrefix("/push", h))
		}), "/push", "/push/x/publish"},
		{"chi in a ServeMux", mux2(func(m *http.ServeMux, h http.Handler) {
			r := chi.NewRouter()
			r.Mount("/app/push", h)
			m.Handle("/app/", r)
		}), "/app/push", "/app/push/x/publish"},
		{"a ServeMux in chi", router(func(r chi.Router, h http.Handler) {
			m := http.NewServeMux()
			m.Handle("/push/", h)
			r.Handle("/*", m)
		}), "/push", "/push/x/publish"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, Logger: slog.New(slog.DiscardHandler)})
			defer func() {
				if err := hub.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			handler := tt.mount(transport.Routes(hub, transport.Options{PublishKey: "secret"}))
			post := func(path string) (int, string) {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://app.example"+path+"?topic=a", strings.NewReader("x"))
				r.Header.Set("Authorization", "Bearer secret")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				body, err := io.ReadAll(w.Result().Body)
				if err != nil {
					t.Fatal(err)
				}
				return w.Code, string(body)
			}
			if status, body := post(tt.prefix + "/publish"); status != http.StatusOK {
				t.Errorf("%s/publish: %d %s", tt.prefix, status, body)
			}
			for _, path := range []string{tt.not, tt.prefix + "/publish/", tt.prefix + "//publish", tt.prefix + "/nothing", tt.prefix + "/"} {
				if status, body := post(path); tt.not != "" && status == http.StatusOK {
					t.Errorf("%s: %d %s", path, status, body)
				}
			}
			if n := hub.Stats().Published; n != 1 {
				t.Errorf("%d were published", n)
			}
		})
	}
}

// mux2 mounts by a function.
func mux2(mount func(*http.ServeMux, http.Handler)) func(http.Handler) http.Handler {
	return func(routes http.Handler) http.Handler {
		m := http.NewServeMux()
		mount(m, routes)
		return m
	}
}

// TestWrongMountSaysHow: another router that doesn't cut the mount's path off gets an
// answer that says so.
func TestWrongMountSaysHow(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Logger: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	transport.Routes(hub).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/push/sse?topic=a", nil))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "http.StripPrefix") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
