package pushtest

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/internal/mountcheck"
)

// CheckMount checks an application's own handler, router and middleware included, which has a
// hub's routes below a path such as /push: that each route answers, that a WebSocket opens,
// that the first event of a stream comes at once, over HTTP/1.1 and HTTP/2, and that nothing
// compresses, buffers or ends what is pushed. Each problem fails the test with one line that
// says what to change.
//
// The options are the credentials of a client and a [Topic] that it may follow, which is
// "pushtest" by default. The configuration of the http.Server isn't seen: see
// docs/testing.md.
func CheckMount(t testing.TB, handler http.Handler, path string, options ...Option) {
	t.Helper()
	d := newDialing(options)
	if d.topic == "" {
		d.topic = "pushtest"
	}
	m := &mountCheck{problems: map[string][]string{}}
	listener := serve(t, handler, func(s *http.Server) {
		s.BaseContext = func(net.Listener) context.Context { return mountcheck.Watch(context.Background(), m.observe) }
	})
	c := newClient(t, d, &mounted{path: path, listener: listener}, nil)
	m.visitAll(c)
	for _, problem := range slices.Sorted(maps.Keys(m.problems)) {
		t.Errorf("pushtest: %s: %s", strings.Join(m.problems[problem], ", "), problem)
	}
}

// mountCheck collects what is found.
type mountCheck struct {
	mu       sync.Mutex          // guards the rest
	problems map[string][]string // where each was found
}

func (m *mountCheck) add(where, problem string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.problems[problem], where) {
		m.problems[problem] = append(m.problems[problem], where)
	}
}

// observe takes what was found where a route is.
func (m *mountCheck) observe(route string, problems []string) {
	for _, p := range problems {
		m.add(route, p)
	}
}

// found reports whether something was found about a route, which explains what it does.
func (m *mountCheck) found(route string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, places := range m.problems {
		if slices.Contains(places, route) {
			return true
		}
	}
	return false
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
				m.add(v.route, err.Error())
			}
			if err != nil && v.route == "client.mjs" {
				break // nothing is there
			}
		}
		transport.CloseIdleConnections()
	}
}
