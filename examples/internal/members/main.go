// Command members is a server for the end-to-end tests that knows its clients by a
// cookie, of the kind that a browser sends with every site's requests (over TLS, with
// SameSite=None), or by a token, for which it gives tickets. All it keeps other
// sites' pages out with is push.Options.Origins. A topic can be withdrawn from all.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// recheck is how soon a client loses a topic.
const recheck = 100 * time.Millisecond

func main() { serve.Main(run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("members", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:0", "`address` to listen on")
	origins := flags.String("origins", "", "the `origins` that may connect, with commas between")
	_ = flags.Parse(args) // ExitOnError
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	m := &members{}
	m.hub = push.New(membroker.New(), push.Options{
		Origins:   strings.Split(*origins, ","),
		Identify:  m.identify,
		Authorize: m.authorize,
		Recheck:   recheck,
		Receive:   m.receive,
		Logger:    slog.New(slog.DiscardHandler),
	})
	server := httptest.NewUnstartedServer(m.routes()) // for its certificate
	_ = server.Listener.Close()
	server.Listener = listener
	server.StartTLS()
	defer server.Close()
	fmt.Fprintf(stdout, "Members listens on %s\n", server.URL)
	<-ctx.Done()
	return m.hub.Shutdown(context.WithoutCancel(ctx))
}

type members struct {
	hub   *push.Hub
	asked atomic.Int64

	withdrawn atomic.Value // a topic
}

// identify takes a bearer token or the cookie's value for the user's name.
func (m *members) identify(r *http.Request) (push.Identity, error) {
	m.asked.Add(1)
	if user, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && user != "" {
		return push.Identity{User: user}, nil
	}
	cookie, err := r.Cookie("session")
	if err != nil {
		return push.Identity{}, push.CodeUnauthenticated
	}
	return push.Identity{User: cookie.Value}, nil
}

func (m *members) authorize(_ context.Context, a push.Access) error {
	if a.Topic == m.withdrawn.Load() {
		return push.CodeForbidden
	}
	return nil
}

// receive publishes what a user sends, and says who that is.
func (m *members) receive(ctx context.Context, in push.Inbound) (push.Reply, error) {
	_, err := m.hub.Publish(ctx, in.Message())
	return push.Reply{Data: []byte("from " + in.Identity.User)}, err
}

func (m *members) routes() http.Handler {
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(m.hub, transport.Options{Tickets: true, AuthorizePublish: func(r *http.Request, _ string) error {
		_, err := m.identify(r)
		return err
	}}))
	r.Get("/login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // that every site's requests bring it is what the tests are about
			Name: "session", Value: r.URL.Query().Get("user"), Path: "/",
			Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
		})
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Members</title>")
	})
	r.Post("/withdraw", func(_ http.ResponseWriter, r *http.Request) {
		m.withdrawn.Store(r.URL.Query().Get("topic"))
	})
	// What the application has been asked, and what came of it.
	r.Get("/counts", func(w http.ResponseWriter, _ *http.Request) {
		stats := m.hub.Stats()
		fmt.Fprintf(w, `{"asked":%d,"sessions":%d,"published":%d}`, m.asked.Load(), stats.Sessions, stats.Published)
	})
	return r
}
