package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// dashboardOf serves a hub's dashboard at /ops/dashboard/, and its routes at /push/.
func dashboardOf(t *testing.T, hub *push.Hub) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/push/", transport.Routes(hub))
	mux.Handle("/ops/dashboard/", transport.Dashboard(hub))
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func fetch(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestDashboardIsMounted(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{})
	page := transport.Dashboard(hub)
	routed := chi.NewRouter()
	routed.Mount("/ops/dashboard", page)
	below := http.NewServeMux()
	below.Handle("/ops/dashboard/", page)
	rooted := http.NewServeMux()
	rooted.Handle("/", page)
	for _, test := range []struct {
		name, path string
		handler    http.Handler
		status     int
		location   string
	}{
		{"chi", "/ops/dashboard/", routed, 200, ""},
		{"chi, without the last slash", "/ops/dashboard", routed, 307, "./dashboard/"},
		{"a ServeMux", "/ops/dashboard/", below, 200, ""},
		{"a ServeMux, a file", "/ops/dashboard/page.js", below, 200, ""},
		{"a ServeMux, nothing", "/ops/dashboard/page.jsx", below, 404, ""},
		{"the root", "/", rooted, 200, ""},
		{"another router", "/ops/dashboard/", http.StripPrefix("/ops/dashboard", page), 200, ""},
		{"another router, without the last slash", "/ops/dashboard", http.StripPrefix("/ops/dashboard", page), 307, "./dashboard/"},
	} {
		w := httptest.NewRecorder()
		test.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, test.path, nil))
		if w.Code != test.status || w.Header().Get("Location") != test.location {
			t.Errorf("%s: %d to %q", test.name, w.Code, w.Header().Get("Location"))
		}
		w = httptest.NewRecorder()
		test.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, test.path, nil))
		if w.Code != http.StatusMethodNotAllowed && test.status != http.StatusNotFound {
			t.Errorf("%s by POST: %d", test.name, w.Code)
		}
	}
}

var (
	references = regexp.MustCompile(`(?:src|href)="([^"]*)"|from "\./([^"]*)"`)
	inlined    = regexp.MustCompile(`<style| style=|<script>| on[a-z]+=`)
)

// TestDashboardLoadsOnlyItsOwn looks at the page and all that it loads.
func TestDashboardLoadsOnlyItsOwn(t *testing.T) {
	server := dashboardOf(t, push.New(membroker.New(), push.Options{}))
	types := map[string]string{"": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
	known, left := map[string]bool{"": true}, []string{""}
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		response, body := fetch(t, server.URL+"/ops/dashboard/"+name)
		_, extension, _ := strings.Cut(name, ".")
		h := response.Header
		if response.StatusCode != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), types[extension]) {
			t.Errorf("%s: %d %v", name, response.StatusCode, h)
		}
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; ") || strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, h)
		}
		if inline := inlined.FindString(body); extension == "" && inline != "" {
			t.Errorf("the policy forbids what is in the page: %s", inline)
		}
		for _, match := range references.FindAllStringSubmatch(body, -1) {
			to := match[1] + match[2]
			if strings.HasPrefix(to, "/") || strings.Contains(to, ":") {
				t.Errorf("%s loads %s, which isn't relative", name, to)
			}
			if !known[to] {
				known[to] = true
				left = append(left, to)
			}
		}
	}
	if len(known) < 8 {
		t.Errorf("the page loads %v", known)
	}
}

// snapshots reads a dashboard's stream, and returns what gives the next snapshot.
func snapshots(t *testing.T, url string) (next func() (map[string]any, bool)) {
	t.Helper()
	response, err := http.Get(url + "/ops/dashboard/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return func() (shot map[string]any, ok bool) {
		for lines.Scan() {
			if lines.Text() == "event: snapshot" {
				lines.Scan()
				if err := json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), "data: ")), &shot); err != nil {
					t.Fatal(err)
				}
				return shot, true
			}
		}
		return nil, false
	}
}

// until reads snapshots until one is as wanted.
func until(t *testing.T, next func() (map[string]any, bool), wanted func(shot map[string]any) bool) map[string]any {
	t.Helper()
	for {
		shot, ok := next()
		if !ok {
			t.Fatal("the stream has ended")
		}
		if wanted(shot) {
			return shot
		}
	}
}

func TestDashboardShowsAHub(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{
		Authorize: push.Rules(push.Rule{Pattern: "open", Follow: push.Anyone}),
		Identify: func(r *http.Request) (push.Identity, error) {
			return push.Identity{User: r.URL.Query().Get("user")}, nil
		},
	})
	server := dashboardOf(t, hub)
	next := snapshots(t, server.URL)
	shot, _ := next()
	for _, list := range []any{shot["busiest"], shot["slowest"], shot["refused"], shot["closed"], shot["transports"], shot["health"].(map[string]any)["warnings"]} {
		if l, ok := list.([]any); !ok || len(l) != 0 || shot["sessions"] != 0.0 {
			t.Errorf("a hub without clients: %v", shot)
		}
	}
	stream, err := http.Get(server.URL + "/push/sse?topic=open&user=ada")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if response, _ := fetch(t, server.URL+"/push/sse?topic=closed&user=grace"); response.StatusCode != http.StatusForbidden {
		t.Fatalf("%d", response.StatusCode)
	}
	shot = until(t, next, func(shot map[string]any) bool { return shot["sessions"] == 1.0 && len(shot["refused"].([]any)) == 1 })
	if busiest := shot["busiest"].([]any)[0].(map[string]any); busiest["topic"] != "open" || busiest["followers"] != 1.0 {
		t.Errorf("%v", shot)
	}
	if refused := shot["refused"].([]any)[0].(map[string]any); refused["code"] != "forbidden" || refused["total"] != 1.0 {
		t.Errorf("%v", shot)
	}
	response, body := fetch(t, server.URL+"/ops/dashboard/user?name=ada")
	if response.StatusCode != http.StatusOK || !strings.Contains(body, `"connections":1`) || !strings.Contains(body, `"topic":"open"`) || !strings.Contains(body, `"address":"127.0.0.1"`) {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if _, body := fetch(t, server.URL+"/ops/dashboard/user?name=nobody"); !strings.Contains(body, `"connections":0,"clients":[]`) {
		t.Errorf("%s", body)
	}
	if response, _ := fetch(t, server.URL+"/ops/dashboard/user"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("nobody's name: %d", response.StatusCode)
	}
}

// TestDashboardLetsTheServerShutDown, also one whose hub goes on.
func TestDashboardLetsTheServerShutDown(t *testing.T) {
	for _, drain := range []bool{true, false} {
		hub := push.New(membroker.New(), push.Options{})
		server := httptest.NewServer(chiMount(transport.Dashboard(hub)))
		next := snapshots(t, server.URL)
		if drain {
			hub.Drain()
		} else if err := server.Config.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for ok := true; ok; {
			_, ok = next()
		}
		server.Close()
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func chiMount(page http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Mount("/ops/dashboard", page)
	return r
}
