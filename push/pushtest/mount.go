package pushtest

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push/session"
)

// CheckMount checks an application's own handler, router and middleware included, which has a
// hub's routes below a path such as /push: that each route answers, that a WebSocket opens,
// that the first event of a stream comes at once, over HTTP/1.1 and HTTP/2, and that nothing
// is in the way of what is pushed. Each problem fails the test with one line that says what to
// change; docs/middleware.md explains those that the hub itself would log.
//
// The options are the credentials of a client and a [Topic] that it may follow, which is
// "pushtest" by default. The application's http.Server isn't seen: the test's own has a
// ReadTimeout and a WriteTimeout of an hour, to find out what keeps them from being lifted.
func CheckMount(t testing.TB, handler http.Handler, path string, options ...Option) {
	t.Helper()
	d := newDialing(options)
	if d.topic == "" {
		d.topic = "pushtest"
	}
	m := new(mountCheck)
	listener := serve(t, m.watch(handler), func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = time.Hour, time.Hour })
	c := newClient(t, d, &mounted{path: path, listener: listener}, nil)
	m.visitAll(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.problems {
		t.Errorf("pushtest: %s: %s", strings.Join(p.routes, ", "), p.text)
	}
}

// mountCheck collects what is found.
type mountCheck struct {
	mu       sync.Mutex // guards the rest
	problems []*problem
}

// problem is what is wrong, and where.
type problem struct {
	key, text string
	routes    []string
}

// add takes what was found at a route. Of each key the first text is kept.
func (m *mountCheck) add(route, key, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.problems, func(p *problem) bool { return p.key == key })
	if i < 0 {
		i = len(m.problems)
		m.problems = append(m.problems, &problem{key: key, text: text})
	}
	if p := m.problems[i]; !slices.Contains(p.routes, route) {
		p.routes = append(p.routes, route)
	}
}

// watch has the hub tell what it finds in the way of each request.
func (m *mountCheck) watch(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := path.Base(r.URL.Path)
		handler.ServeHTTP(w, r.WithContext(session.WatchWarnings(r.Context(), func(key, text string) { m.add(route, key, text) })))
	})
}

// found reports whether something was found about a route, which explains what it does.
func (m *mountCheck) found(route string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.problems, func(p *problem) bool { return slices.Contains(p.routes, route) })
}

// visits are what is done, by the name of a route. A problem that a route itself was seen to
// have isn't told again by what comes of it.
var visits = []struct {
	route string
	visit func(v visit, ctx context.Context) error
}{
	{"client.mjs", visit.file},
	{"ws", visit.socket},
	{"sse", visit.stream},
	{"poll", visit.poll},
	{"send", visit.post},
	{"publish", visit.post},
	{"refresh", visit.post},
}

// visitAll visits each route by both versions of HTTP.
func (m *mountCheck) visitAll(c *Client) {
	for _, version := range []int{1, 2} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(version == 1)
		protocols.SetUnencryptedHTTP2(version == 2)
		transport := &http.Transport{DialContext: c.dial, Protocols: protocols, DisableCompression: true}
		client := &http.Client{Transport: transport, CheckRedirect: c.http.CheckRedirect}
		for _, v := range visits {
			ctx, cancel := context.WithTimeout(c.ctx, patience)
			err := v.visit(visit{c, client, v.route, version}, ctx)
			cancel()
			if err != nil && !m.found(v.route) {
				m.add(v.route, err.Error(), err.Error())
			}
			if err != nil && v.route == "client.mjs" {
				break // nothing is there
			}
		}
		transport.CloseIdleConnections()
	}
}
