package middlewares

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/go-chi/httplog/v3"
	"github.com/go-chi/httprate"
	"github.com/gorilla/handlers"
	"github.com/klauspost/compress/gzhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// wrap is a middleware.
type wrap = func(http.Handler) http.Handler

// row is a program's set-up: a middleware, a server's options, or both.
type row struct {
	name   string
	wrap   wrap
	server func(*http.Server)
	limit  time.Duration // of a request; streams are looked at past it
	login  bool          // requests need HTTP authentication
	prefix string        // of the path that clients ask for
}

// group is the rows of one library.
type group struct {
	name string
	rows []row
}

// limit is longer than any request takes that isn't meant to last, also on a busy machine.
const limit = 5 * time.Second

func nothing(http.ResponseWriter, *http.Request) {}

var silent = slog.New(slog.DiscardHandler)

// chis are the middlewares of chi's own package.
func chis() []row {
	quiet := &middleware.DefaultLogFormatter{Logger: discard{}}
	return []row{
		{name: "`AllowContentEncoding(\"gzip\")`", wrap: middleware.AllowContentEncoding("gzip")},
		{name: "`AllowContentType(\"application/json\")`", wrap: middleware.AllowContentType("application/json")},
		{name: "`BasicAuth`", wrap: middleware.BasicAuth("realm", map[string]string{"u": "p"}), login: true},
		{name: "`CleanPath`", wrap: middleware.CleanPath},
		{name: "`ClientIPFromHeader(\"X-Real-IP\")`", wrap: middleware.ClientIPFromHeader("X-Real-IP")},
		{name: "`ClientIPFromRemoteAddr`", wrap: middleware.ClientIPFromRemoteAddr},
		{name: "`ClientIPFromXFF(\"127.0.0.0/8\")`", wrap: middleware.ClientIPFromXFF("127.0.0.0/8")},
		{name: "`ClientIPFromXFFTrustedProxies(1)`", wrap: middleware.ClientIPFromXFFTrustedProxies(1)},
		{name: "`Compress(5)`", wrap: middleware.Compress(5)},
		{name: "`Compress(5, \"text/*\")`", wrap: middleware.Compress(5, "text/*")},
		{name: "`ContentCharset(\"utf-8\", \"\")`", wrap: middleware.ContentCharset("utf-8", "")},
		{name: "`Deprecation`", wrap: middleware.Deprecation(time.Unix(1e9, 0))},
		{name: "`GetHead`", wrap: middleware.GetHead},
		{name: "`Heartbeat(\"/ping\")`", wrap: middleware.Heartbeat("/ping")},
		{name: "`Logger`", wrap: middleware.RequestLogger(quiet)},
		{name: "`Maybe(Logger, …)`", wrap: middleware.Maybe(middleware.RequestLogger(quiet), func(*http.Request) bool { return true })},
		{name: "`NoCache`", wrap: middleware.NoCache},
		{name: "`PageRoute(\"/about\", …)`", wrap: middleware.PageRoute("/about", http.HandlerFunc(nothing))},
		{name: "`PathRewrite(\"/old\", \"/new\")`", wrap: middleware.PathRewrite("/old", "/new")},
		{name: "`RealIP`", wrap: middleware.RealIP}, //nolint:staticcheck // programs use it
		{name: "`Recoverer`", wrap: middleware.Recoverer},
		{name: "`RedirectSlashes`", wrap: middleware.RedirectSlashes},
		{name: "`RequestID`", wrap: middleware.RequestID},
		{name: "`RequestLogger`", wrap: middleware.RequestLogger(quiet)},
		{name: "`RequestSize(1 << 20)`", wrap: middleware.RequestSize(1 << 20)},
		{name: "`RouteHeaders`", wrap: middleware.RouteHeaders().RouteDefault(middleware.RequestID).Handler},
		{name: "`SetHeader`", wrap: middleware.SetHeader("X-Frame-Options", "DENY")},
		{name: "`StripPrefix(\"/app\")`", wrap: middleware.StripPrefix("/app"), prefix: "/app"},
		{name: "`StripSlashes`", wrap: middleware.StripSlashes},
		{name: "`Sunset`", wrap: middleware.Sunset(time.Unix(4e9, 0))},
		{name: "`SupressNotFound`", wrap: suppressNotFound},
		{name: "`Throttle(100)`", wrap: middleware.Throttle(100)},
		{name: "`ThrottleBacklog(100, 100, …)`", wrap: middleware.ThrottleBacklog(100, 100, time.Minute)},
		{name: "`ThrottleWithOpts`", wrap: middleware.ThrottleWithOpts(middleware.ThrottleOpts{Limit: 100})},
		{name: "`Timeout`", wrap: middleware.Timeout(limit), limit: limit},
		{name: "`URLFormat`", wrap: middleware.URLFormat},
		{name: "`WithValue`", wrap: middleware.WithValue(&silent, "value")},
		{name: "`Logger`, `Recoverer` and `Timeout`", wrap: func(next http.Handler) http.Handler {
			return chi.Chain(middleware.RequestLogger(quiet), middleware.Recoverer, middleware.Timeout(limit)).Handler(next)
		}, limit: limit},
	}
}

// suppressNotFound is chi's for a router that has the routes.
func suppressNotFound(next http.Handler) http.Handler {
	router := chi.NewRouter()
	router.Mount("/push", http.HandlerFunc(nothing))
	return middleware.SupressNotFound(router)(next)
}

// others are those of other libraries, of net/http, and what people write themselves.
func others() []group {
	bodies := func(*http.Request) bool { return true }
	return []group{
		{"`net/http`", []row{
			{name: "`TimeoutHandler`", wrap: func(next http.Handler) http.Handler { return http.TimeoutHandler(next, limit, "") }, limit: limit},
			{name: "`MaxBytesHandler`", wrap: func(next http.Handler) http.Handler { return http.MaxBytesHandler(next, 1<<20) }},
			{name: "`AllowQuerySemicolons`", wrap: http.AllowQuerySemicolons},
			{name: "`StripPrefix(\"/app\", …)`", wrap: func(next http.Handler) http.Handler { return http.StripPrefix("/app", next) }, prefix: "/app"},
			{name: "`CrossOriginProtection`", wrap: http.NewCrossOriginProtection().Handler},
			{name: "`Server.WriteTimeout`", server: func(s *http.Server) { s.WriteTimeout = limit }, limit: limit},
			{name: "`Server.ReadTimeout`", server: func(s *http.Server) { s.ReadTimeout = limit }, limit: limit},
			{name: "`Server.IdleTimeout`", server: func(s *http.Server) { s.IdleTimeout = limit }, limit: limit},
			{name: "`Server.HTTP2.MaxConcurrentStreams: 10`", server: func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 10} }},
			{name: "`Server.HTTP2` with pings and `WriteByteTimeout`", server: func(s *http.Server) {
				s.HTTP2 = &http.HTTP2Config{SendPingTimeout: limit / 2, PingTimeout: limit, WriteByteTimeout: limit / 2}
			}, limit: limit},
		}},
		{"`go-chi/cors`", []row{
			{name: "`Handler`", wrap: cors.Handler(cors.Options{AllowedOrigins: []string{"https://*"}})},
		}},
		{"`go-chi/httplog`", []row{
			{name: "`RequestLogger`", wrap: httplog.RequestLogger(silent, nil)},
			{name: "`RequestLogger` with bodies", wrap: httplog.RequestLogger(silent, &httplog.Options{LogRequestBody: bodies, LogResponseBody: bodies, RecoverPanics: true})},
		}},
		{"`go-chi/httprate`", []row{
			{name: "`LimitBy(1000, time.Minute, Key(\"*\"))`", wrap: httprate.LimitBy(1000, time.Minute, httprate.Key("*"))},
		}},
		{"`otelhttp`", []row{
			{name: "`NewMiddleware`", wrap: otelhttp.NewMiddleware("push")},
		}},
		{"`gorilla/handlers`", []row{
			{name: "`CompressHandler`", wrap: handlers.CompressHandler},
			{name: "`CORS`", wrap: handlers.CORS(handlers.AllowedOrigins([]string{"https://app.example"}))},
			{name: "`ContentTypeHandler(…, \"application/json\")`", wrap: func(next http.Handler) http.Handler { return handlers.ContentTypeHandler(next, "application/json") }},
			{name: "`HTTPMethodOverrideHandler`", wrap: handlers.HTTPMethodOverrideHandler},
			{name: "`LoggingHandler`", wrap: func(next http.Handler) http.Handler { return handlers.LoggingHandler(io.Discard, next) }},
			{name: "`CombinedLoggingHandler`", wrap: func(next http.Handler) http.Handler { return handlers.CombinedLoggingHandler(io.Discard, next) }},
			{name: "`ProxyHeaders`", wrap: handlers.ProxyHeaders},
			{name: "`RecoveryHandler`", wrap: handlers.RecoveryHandler()},
		}},
		{"`klauspost/compress`", []row{
			{name: "`gzhttp.GzipHandler`", wrap: func(next http.Handler) http.Handler { return gzhttp.GzipHandler(next) }},
		}},
		{"Your own", []row{
			{name: "a writer with no more than the three methods", wrap: with(func(w http.ResponseWriter) http.ResponseWriter { return bare{w} })},
			{name: "a writer with `Flush`", wrap: with(flushing)},
			{name: "a writer with `Unwrap`", wrap: with(func(w http.ResponseWriter) http.ResponseWriter { return unwrapping{bare{w}} })},
			{name: "a writer with `Flush`, and `Server.WriteTimeout`", wrap: with(flushing), server: func(s *http.Server) { s.WriteTimeout = limit }, limit: limit},
			{name: "a writer with `Flush`, and `Server.ReadTimeout`", wrap: with(flushing), server: func(s *http.Server) { s.ReadTimeout = limit }, limit: limit},
			{name: "a writer with `Flush`, and chi's Timeout", wrap: func(next http.Handler) http.Handler { return middleware.Timeout(limit)(with(flushing)(next)) }, limit: limit},
			{name: "a deadline, and the handler in another goroutine", wrap: elsewhere, limit: limit},
			{name: "a copy of the response, as chi's Tee makes", wrap: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
					ww.Tee(io.Discard)
					next.ServeHTTP(ww, r)
				})
			}},
		}},
	}
}

// bare hides all that a writer can do besides.
type bare struct{ http.ResponseWriter }

// flush can also be flushed.
type flush struct {
	bare
	http.Flusher
}

func flushing(w http.ResponseWriter) http.ResponseWriter { return flush{bare{w}, w.(http.Flusher)} }

// unwrapping says what it wraps.
type unwrapping struct{ bare }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func with(writer func(http.ResponseWriter) http.ResponseWriter) wrap {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(writer(w), r) })
	}
}

// elsewhere runs the handler in another goroutine, to answer at the deadline itself.
func elsewhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		guarded := &guarded{w: w}
		done := make(chan struct{})
		go func() {
			defer close(done)
			next.ServeHTTP(guarded, r.WithContext(ctx))
		}()
		select {
		case <-done:
		case <-ctx.Done():
			guarded.end()
		}
	})
}

// guarded is a writer that a middleware can take away from its handler.
type guarded struct {
	mu   sync.Mutex // guards the rest, and each call
	w    http.ResponseWriter
	over bool
}

func (g *guarded) Header() http.Header { return g.w.Header() }

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return 0, http.ErrHandlerTimeout
	}
	return g.w.Write(p)
}

func (g *guarded) WriteHeader(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.w.WriteHeader(status)
	}
}

func (g *guarded) Flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.w.(http.Flusher).Flush()
	}
}

func (g *guarded) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
}

type discard struct{}

func (discard) Print(...any) {}
