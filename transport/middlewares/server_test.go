package middlewares

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

// TestMain lets more tests than processors run at a time: most of them wait for a limit.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	testaid.Main(m)
}

// publishKey is what backends publish with.
const publishKey = "key"

// setup is a program with one row above the routes of its hub, over HTTP/1.1 and HTTP/2, and
// the same hub with nothing above its routes.
type setup struct {
	*testing.T
	row
	hub      *push.Hub
	log      *testaid.Log
	plain    *httptest.Server
	servers  [3]*httptest.Server // by the major version of HTTP
	requests context.Context     // ends with the test, or where it hangs
}

func start(t *testing.T, r row) *setup {
	log := new(testaid.Log)
	hub := push.New(membroker.New(), push.Options{
		Authorize: push.Anyone,
		Identify:  func(*http.Request) (push.Identity, error) { return push.Identity{User: "u"}, nil },
		Receive:   func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil },
		Limits:    push.Limits{Opens: push.Rate{PerSecond: -1}},
		Logger:    slog.New(slog.NewJSONHandler(log, nil)),
	})
	routes := transport.Routes(hub, transport.Options{PublishKey: publishKey, Tickets: true})
	router := chi.NewRouter()
	if r.wrap != nil {
		router.Use(r.wrap)
	}
	router.Mount("/push", routes)
	s := &setup{T: t, row: r, hub: hub, log: log, plain: httptest.NewServer(http.StripPrefix("/push", routes))}
	for version := 1; version <= 2; version++ {
		server := httptest.NewUnstartedServer(router)
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		if r.server != nil {
			r.server(server.Config)
		}
		if version == 1 {
			server.Start()
		} else {
			server.EnableHTTP2 = true
			server.StartTLS()
		}
		s.servers[version] = server
	}
	ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
	s.requests = ctx
	t.Cleanup(func() {
		cancel()
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		for _, server := range append(s.servers[1:], s.plain) {
			server.Close()
		}
	})
	return s
}

// answer is what a request that ends got.
type answer struct {
	status int
	body   string
}

// isOurs reports whether a refusal is the hub's, and not that of what is above it.
func (a answer) isOurs() bool { return strings.HasPrefix(a.body, `{"code":`) }

// open makes a request below the row.
func (s *setup) open(version int, method, path, body string) *http.Response {
	s.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(s.requests, method, s.servers[version].URL+s.prefix+"/push"+path, reader)
	if err != nil {
		s.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	switch {
	case s.login:
		r.SetBasicAuth("u", "p")
		r.Header.Set("Origin", s.servers[version].URL) // as a page of the same place has it
	case strings.HasPrefix(path, "/publish"):
		r.Header.Set("Authorization", "Bearer "+publishKey)
	}
	response, err := s.servers[version].Client().Do(r)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	if response.ProtoMajor != version {
		s.Fatalf("%s %s over %s", method, path, response.Proto)
	}
	return response
}

// do makes a request below the row, and reads the answer to its end.
func (s *setup) do(version int, method, path, body string) answer {
	s.Helper()
	response := s.open(version, method, path, body)
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{response.StatusCode, string(read)}
}

// getPlain makes a request past the row.
func (s *setup) getPlain(path string) *http.Response {
	s.Helper()
	r, err := http.NewRequestWithContext(s.requests, http.MethodGet, s.plain.URL+"/push"+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	response, err := s.plain.Client().Do(r)
	if err != nil {
		s.Fatal(err)
	}
	return response
}

// publish publishes in the program itself.
func (s *setup) publish(topic, data string) {
	s.Helper()
	if _, err := s.hub.Publish(context.Background(), push.Message{Topic: topic, Data: []byte(data)}); err != nil {
		s.Fatal(err)
	}
}

// pass waits until the row's limit has passed for what has begun before.
func (s *setup) pass() {
	passed, cancel := context.WithTimeout(s.requests, s.limit)
	defer cancel()
	<-passed.Done()
}
