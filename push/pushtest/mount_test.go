package pushtest_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
	"github.com/tidewire/tidewire/transport"
)

// hiding is a writer without Unwrap.
type hiding struct{ http.ResponseWriter }

// flushing can be flushed besides.
type flushing struct {
	hiding
	http.Flusher
}

// late doesn't show what it does to an answer before the answer's first byte.
type late struct {
	http.ResponseWriter
	http.Flusher
}

func (l late) Unwrap() http.ResponseWriter { return l.ResponseWriter }
func (late) WriteHeader(int)               {}

func (l late) Write(p []byte) (int, error) {
	l.Header().Set("Content-Encoding", "gzip")
	return l.ResponseWriter.Write(p)
}

// elsewhere runs the handler in another goroutine.
func elsewhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			next.ServeHTTP(w, r)
		}()
		<-done
	})
}

// holding keeps an answer until the handler returns, and seems not to.
type holding struct {
	http.ResponseWriter
	status int
	held   []byte
}

func (h *holding) Unwrap() http.ResponseWriter { return nothing{} }
func (h *holding) WriteHeader(status int)      { h.status = status }
func (h *holding) Flush()                      {}

func (h *holding) Write(p []byte) (int, error) {
	h.held = append(h.held, p...)
	return len(p), nil
}

type nothing struct{ http.ResponseWriter }

func (nothing) SetWriteDeadline(time.Time) error { return nil }

// TestCheckMountSaysWhatIsInTheWay: each row is a router as an application may have it.
func TestCheckMountSaysWhatIsInTheWay(t *testing.T) {
	wrapped := func(wrap func(w http.ResponseWriter) http.ResponseWriter) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrap(w), r) })
		}
	}
	for name, c := range map[string]struct {
		mount   func(routes http.Handler) http.Handler
		options []pushtest.Option
		want    []string // nothing is wrong without
	}{
		"chi":                       {mount: behind()},
		"chi, logged and recovered": {mount: behind(middleware.RequestID, middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: quiet{}}), middleware.Recoverer)},
		"chi, answers compressed":   {mount: behind(middleware.Compress(5))},
		"http.ServeMux": {mount: func(routes http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/push/", routes)
			return mux
		}},
		"another path": {
			mount: func(routes http.Handler) http.Handler { return http.StripPrefix("/live", routes) },
			want:  []string{"client.mjs: the hub isn't reached: GET /push/client.mjs: 404 Not Found"},
		},
		"without http.StripPrefix": {
			mount: func(routes http.Handler) http.Handler { return routes },
			want:  []string{"client.mjs: bad_request: nothing is here", "http.StripPrefix"},
		},
		"a page for all": {
			mount: func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) })
			},
			want: []string{"something else than the hub's routes answers", "mount transport.Routes(hub)"},
		},
		"GET alone": {
			mount: func(routes http.Handler) http.Handler {
				r := chi.NewRouter()
				r.Get("/push/*", http.StripPrefix("/push", routes).ServeHTTP)
				return r
			},
			want: []string{"send, publish, refresh: the hub doesn't get a POST (405 Method Not Allowed)"},
		},
		"chi's Timeout": {mount: behind(middleware.Timeout(time.Minute))},
		"a Timeout that is too short for polls": {
			mount: behind(middleware.Timeout(5 * time.Second)),
			want:  []string{"poll: a time limit for requests makes polls short, so clients that poll ask often; wait 4.5s; mount the routes above it"},
		},
		"a Timeout, and the handler in another goroutine": {
			mount: behind(middleware.Timeout(time.Minute), elsewhere),
			want:  []string{"sse: a middleware with a deadline runs the handler in another goroutine", "; limit 1m0s; mount the routes above it"},
		},
		"chi's Throttle": {mount: behind(middleware.Throttle(100)), want: []string{"poll, sse: chi's Throttle counts each poll"}},
		"http.TimeoutHandler": {
			mount: behind(func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "") }),
			want: []string{
				"ws: a middleware hides http.Hijacker, so WebSockets are refused; writer *http.timeoutWriter; give its",
				"sse: a middleware hides http.Flusher, so event streams are refused; writer *http.timeoutWriter; give its",
			},
		},
		"a writer without Unwrap": {
			mount: behind(wrapped(func(w http.ResponseWriter) http.ResponseWriter { return hiding{w} })),
			want: []string{
				"ws: a middleware hides http.Hijacker, so WebSockets are refused; writer pushtest_test.hiding",
				"sse: a middleware hides http.Flusher, so event streams are refused; writer pushtest_test.hiding",
			},
		},
		"a writer with Flush alone": {
			mount: behind(wrapped(func(w http.ResponseWriter) http.ResponseWriter { return flushing{hiding{w}, w.(http.Flusher)} })),
			want: []string{
				"ws: a middleware hides http.Hijacker, so WebSockets are refused", "sse: a middleware hides http.Hijacker, so each event stream keeps a goroutine",
				"sse: http.Server.WriteTimeout can't be lifted", "sse: http.Server.ReadTimeout can't be lifted",
			},
		},
		"chi's Compress": {mount: behind(middleware.Compress(5, "text/*")), want: []string{"sse: a middleware compresses event streams", "; encoding gzip; leave text/event-stream out"}},
		"compressed": {
			mount: behind(wrapped(func(w http.ResponseWriter) http.ResponseWriter {
				w.Header().Set("Content-Encoding", "gzip")
				return w
			})),
			want: []string{"sse: a middleware compresses event streams"},
		},
		"compressed late": {
			mount: behind(wrapped(func(w http.ResponseWriter) http.ResponseWriter { return late{w, w.(http.Flusher)} })),
			want:  []string{"sse: a middleware compresses the stream (Content-Encoding: gzip)"},
		},
		"credentials that aren't good": {mount: behind(), options: []pushtest.Option{pushtest.Header("X-User", "eve")}, want: []string{"these credentials aren't good", "As, Header or Cookie"}},
		"a topic that is refused":      {mount: behind(), options: []pushtest.Option{pushtest.Topic("secret")}, want: []string{`sse, poll: the topic "secret" is refused`, "pushtest.Topic"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text := watched(t, func(t testing.TB) {
					hub := pushtest.NewHub(t, push.Options{
						Identify: func(r *http.Request) (push.Identity, error) {
							if r.Header.Get("X-User") == "eve" {
								return push.Identity{}, push.CodeUnauthenticated
							}
							return push.Identity{}, nil
						},
						Authorize: func(_ context.Context, a push.Access) error {
							if a.Topic == "secret" {
								return push.CodeForbidden
							}
							return nil
						},
					})
					pushtest.CheckMount(t, c.mount(transport.Routes(hub.Hub)), "/push", c.options...)
				})
				if len(c.want) == 0 && text != "" {
					t.Errorf("it fails: %s", text)
				}
				says(t, text, c.want...)
			})
		})
	}
}

// behind mounts routes behind middleware, as chi does.
func behind(middlewares ...func(http.Handler) http.Handler) func(routes http.Handler) http.Handler {
	return func(routes http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(middlewares...)
		r.Mount("/push", routes)
		return r
	}
}

type quiet struct{}

func (quiet) Print(...any) {}

// TestCheckMountFindsWhatIsHeldBack: no method of the writer says it.
func TestCheckMountFindsWhatIsHeldBack(t *testing.T) {
	text := ""
	synctest.Test(t, func(t *testing.T) {
		text = watched(t, func(t testing.TB) {
			hub := pushtest.NewHub(t, push.Options{})
			pushtest.CheckMount(t, behind(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.ProtoMajor == 1 {
						next.ServeHTTP(w, r)
						return
					}
					h := &holding{ResponseWriter: w, status: http.StatusOK}
					next.ServeHTTP(h, r)
					w.WriteHeader(h.status)
					w.Write(h.held)
				})
			})(transport.Routes(hub.Hub)), "/push")
		})
	})
	says(t, text, "sse: nothing came within 10s: a middleware holds the answer back")
}
