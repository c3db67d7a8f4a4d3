package transport_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

// buffering holds an answer back until the handler returns, and hides all that could
// prevent it.
type buffering struct {
	http.ResponseWriter
	held []byte
}

func (b *buffering) Write(p []byte) (int, error) {
	b.held = append(b.held, p...)
	return len(p), nil
}

// TestMiddlewareInTheWay: one that hides the connection is named in the answer to each
// request, which doesn't hang, and once in the log and in the warnings. One that doesn't is no
// hindrance.
func TestMiddlewareInTheWay(t *testing.T) {
	tests := []struct {
		name  string
		wrap  func(http.Handler) http.Handler
		named string // in the answer, if it can't work
	}{
		{"http.TimeoutHandler", func(next http.Handler) http.Handler { return http.TimeoutHandler(next, 10*time.Second, "") }, "*http.timeoutWriter"},
		{"buffering", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b := &buffering{ResponseWriter: w}
				next.ServeHTTP(b, r)
				_, _ = w.Write(b.held)
			})
		}, "*transport_test.buffering"},
		{"chi's Timeout", middleware.Timeout(10 * time.Second), ""},
		{"chi's Compress", middleware.Compress(5, "text/*"), ""},
		{"chi's Logger", middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: quiet{}}), ""},
		{"http.MaxBytesHandler", func(next http.Handler) http.Handler { return http.MaxBytesHandler(next, 100) }, ""},
	}
	for _, test := range tests {
		for path, request := range map[string]string{"ws": handshakeTo("/ws?topic=a"), "sse": "GET /sse?topic=a HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\r\n"} {
			t.Run(test.name+" "+path, func(t *testing.T) {
				var log testaid.Log
				hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				server := httptest.NewServer(test.wrap(transport.Routes(hub)))
				defer server.Close()
				for range 2 {
					c, err := net.Dial("tcp", server.Listener.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(testaid.Patience)) // ends a broken test
					write(c, []byte(request))
					lines := bufio.NewReader(c)
					response, err := http.ReadResponse(lines, nil)
					if err != nil {
						t.Fatal(err)
					}
					if test.named != "" {
						if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusInternalServerError && test.name != "buffering" || !strings.Contains(string(body), test.named) {
							t.Errorf("%d %s, %v; want %s to be named", response.StatusCode, body, err, test.named)
						}
					} else if welcome, err := lines.ReadString('}'); err != nil || !strings.Contains(welcome, `"type":"welcome"`) {
						t.Errorf("%s: got %q, %v", response.Status, welcome, err)
					}
					c.Close()
				}
				warnings, refused := hub.Health(t.Context()).Warnings, hub.Stats().Refused[push.CodeInternal]
				switch said := log.String(); {
				case test.named == "":
					if said != "" || len(warnings) > 0 || refused > 0 {
						t.Errorf("logged %s, warnings %q, refused %d", said, warnings, refused)
					}
				case strings.Count(said, "\n") != 1 || !strings.Contains(said, test.named) || !strings.Contains(said, "level=WARN") || !strings.Contains(said, "route="+path):
					t.Errorf("logged %s", said)
				case len(warnings) != 1 || !strings.HasPrefix(warnings[0], path+": a middleware hides") || refused != 2:
					t.Errorf("warnings %q, refused %d", warnings, refused)
				}
				if err := hub.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

type quiet struct{}

func (quiet) Print(...any) {}
