package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/examples/standalone/internal/access"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

func TestMain(m *testing.M) { testaid.Main(m) }

const key = "the key of all"

// site is a server with the API, and clients that follow.
type site struct {
	hub    *push.Hub
	server *httptest.Server
	client *http.Client
}

func newSite(t *testing.T, keys ...config.PublishKey) *site {
	t.Helper()
	c := &config.Config{PublishKey: key, PublishKeys: keys}
	backends, err := access.NewBackends(c)
	if err != nil {
		t.Fatal(err)
	}
	hub := push.New(membroker.New(membroker.Options{Topics: []push.TopicRule{
		{Pattern: "prices/{market}", State: true, MaxKeys: 3}, {Pattern: "flags", State: true},
	}}), push.Options{
		Authorize: push.Anyone, Presence: []string{"rooms/{room}"},
		Identify: func(r *http.Request) (push.Identity, error) { return push.Identity{User: r.Header.Get("User")}, nil },
	})
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	r.Mount("/api", Routes(hub, backends, []byte("{}")))
	s := &site{hub, httptest.NewServer(r), &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s.client.CloseIdleConnections()
		s.server.Close()
	})
	return s
}

func (s *site) request(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// do makes a request of the API, with the key of all unless there are headers.
func (s *site) do(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	if headers == nil {
		headers = []string{"Authorization", "Bearer " + key}
	}
	response := s.request(t, method, "/api"+path, body, headers...)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// follow opens an event stream, as ann, and waits until it is known that it follows.
func (s *site) follow(t *testing.T, topic string) *http.Response {
	t.Helper()
	stream := s.request(t, http.MethodGet, "/push/sse?topic="+topic, "", "User", "ann")
	t.Cleanup(func() { stream.Body.Close() })
	testaid.Eventually(t, "ann is a member", func() bool {
		n, err := s.hub.MemberCount(t.Context(), topic)
		return err == nil && n == 1
	})
	return stream
}

// TestErrorsOfEachRoute gets the errors that a request by itself can lead to. The answers
// are held to openapi.json.
func TestErrorsOfEachRoute(t *testing.T) {
	d := readDescription(t)
	s := newSite(t, config.PublishKey{Name: "nothing", Key: "nothing", Operations: []string{"none"}})
	for _, route := range routes {
		query := map[string]string{"GET": "?topic=news", "POST": ""}[route.method]
		if strings.HasSuffix(route.path, "connections") {
			query = "?user=ann"
		} else if strings.HasSuffix(route.path, "stats") {
			query = ""
		}
		for name, test := range map[string]struct {
			query, body string
			headers     []string
			want        int
		}{
			"no key":                {query, "{}", []string{"Accept", "*/*"}, 401},
			"an unknown key":        {query, "{}", []string{"Authorization", "Bearer x"}, 401},
			"another scheme":        {query, "{}", []string{"Authorization", "Basic " + key}, 401},
			"two keys":              {query, "{}", []string{"Authorization", "Bearer " + key, "Authorization", "Bearer " + key}, 401},
			"a key for nothing":     {query, "{}", []string{"Authorization", "Bearer nothing"}, 403},
			"an unknown parameter":  {query + "&x=1", "", nil, 400},
			"a body that is none":   {query, "{", nil, 400},
			"an unknown name in it": {query, `{"x":1}`, nil, 400},
			"a name twice":          {query, `{"topic":"news","topic":"news","messages":[],"user":"a"}`, nil, 400},
			"a list":                {query, `[]`, nil, 400},
			"two bodies":            {query, `{"data":1,"topic":"a","key":"k"}{}`, nil, 400},
			"an empty object":       {query, `{}`, nil, 400},
			"too large a body":      {query, strings.Repeat(" ", maxBody+1), nil, 413},
		} {
			if route.method == http.MethodGet {
				test.body = ""
				if test.headers == nil && name != "an unknown parameter" {
					continue
				}
				if query == "" {
					test.query = strings.Replace(test.query, "&", "?", 1)
				}
			} else if name == "an unknown parameter" {
				continue
			}
			status, answer := s.do(t, route.method, route.path+test.query, test.body, test.headers...)
			if status != test.want {
				t.Errorf("%s, %s: %d %s", route.path, name, status, answer)
			}
			d.checkAnswer(t, route, status, answer)
		}
	}
}

// TestErrorsOfOperations are those that depend on what is stored, or what a request says.
func TestErrorsOfOperations(t *testing.T) {
	d, s := readDescription(t), newSite(t)
	post := func(path, body string) (int, string) { return s.do(t, http.MethodPost, path, body) }
	for _, body := range []string{`{"topic":"news","data":1,"id":"a"}`, `{"topic":"news","data":"x"}`} {
		if status, answer := post("/publish", body); status != 200 {
			t.Fatal(answer)
		}
	}
	if status, answer := post("/state/set", `{"topic":"prices/fx","key":"a","data":1}`); status != 200 {
		t.Fatal(answer)
	}
	for _, test := range []struct {
		method, path, body string
		want               int
		code               string
	}{
		{"POST", "/publish", `{"topic":"news","data":2,"id":"a"}`, 409, "conflict"},
		{"POST", "/publish", `{"topic":"prices/fx","data":2}`, 409, "wrong_kind"},
		{"POST", "/publish", `{"topic":"news","topics":["a"],"data":2}`, 400, "bad_request"},
		{"POST", "/publish", `{"topics":[],"data":2}`, 400, "bad_request"},
		{"POST", "/publish", `{"topics":["a"],"data":2,"event":"tidewire.x"}`, 400, "bad_request"},
		{"POST", "/publish", `{"topics":["a"],"data":"` + strings.Repeat("x", 70_000) + `"}`, 200, ""},
		{"POST", "/publish", `{"topic":"a","data":"` + strings.Repeat("x", 70_000) + `"}`, 413, "too_large"},
		{"POST", "/publish", `{"topic":"news","data":"%","encoding":"base64"}`, 400, "bad_request"},
		{"POST", "/publish", `{"topic":"news","data":1,"encoding":"text"}`, 400, "bad_request"},
		{"POST", "/publish", `{"topic":"news","data":"1","encoding":"xml"}`, 400, "bad_request"},
		{"POST", "/publish", `{"topic":"news","data":"\ud800"}`, 400, "bad_request"},
		{"POST", "/publish", `{"topic":"tidewire.x","data":1}`, 400, "bad_request"},
		{"POST", "/publish", `{"topic":"news","data":1,"replicated":true}`, 503, "not_replicated"},
		{"POST", "/batch", `{"messages":[]}`, 400, "bad_request"},
		{"GET", "/history?topic=prices/fx", "", 409, "wrong_kind"},
		{"GET", "/history?topic=news&limit=0", "", 400, "bad_request"},
		{"GET", "/history?topic=", "", 400, "bad_request"},
		{"GET", "/state?topic=news", "", 409, "wrong_kind"},
		{"GET", "/state?topic=prices/fx&key=b", "", 404, "bad_request"},
		{"POST", "/state/set", `{"topic":"prices/fx","key":"a","data":1,"if":"absent"}`, 409, "conflict"},
		{"POST", "/state/set", `{"topic":"prices/fx","key":"a","data":1,"if":"x"}`, 400, "bad_request"},
		{"POST", "/state/set", `{"topic":"prices/fx","key":"a","data":1,"ttl":"-1s"}`, 400, "bad_request"},
		{"POST", "/state/set", `{"topic":"prices/fx","key":"a"}`, 400, "bad_request"},
		{"POST", "/state/set", `{"topic":"news","key":"a","data":1}`, 409, "wrong_kind"},
		{"POST", "/state/append", `{"topic":"prices/fx","key":"a","data":{}}`, 400, "bad_request"},
		{"POST", "/state/append", `{"topic":"news","key":"a","data":"x"}`, 409, "wrong_kind"},
		{"POST", "/state/delete", `{"topic":"news","key":"a"}`, 409, "wrong_kind"},
		{"POST", "/state/delete", `{"topic":"prices/fx","key":"a","data":1}`, 400, "bad_request"},
		{"POST", "/state/touch", `{"topic":"prices/fx","key":"b"}`, 409, "conflict"},
		{"GET", "/members?topic=news", "", 400, "bad_request"},
		{"GET", "/connections?user=", "", 400, "bad_request"},
		{"POST", "/disconnect", `{"user":"a","session":"b"}`, 400, "bad_request"},
		{"POST", "/disconnect", `{"user":"a","topic":"b"}`, 400, "bad_request"},
		{"POST", "/disconnect", `{"session":"b"}`, 400, "bad_request"},
		{"POST", "/revoke", `{"user":"a","session":"01890a5d-ac96-774b-bcce-b302099a8057"}`, 400, "bad_request"},
		{"POST", "/revoke", `{"user":"a","for":"x"}`, 400, "bad_request"},
		{"POST", "/restore", `{"session":"01890a5d-ac96-774b-bcce-b302099a8057"}`, 400, "bad_request"},
	} {
		status, answer := s.do(t, test.method, test.path, test.body)
		var e struct{ Code string }
		_ = json.Unmarshal([]byte(answer), &e)
		if status != test.want || e.Code != test.code {
			t.Errorf("%s %s %.80s: %d %s", test.method, test.path, test.body, status, answer)
		}
		bare, _, _ := strings.Cut(test.path, "?")
		i := slices.IndexFunc(routes, func(r route) bool { return r.path == bare && r.method == test.method })
		d.checkAnswer(t, routes[i], status, answer)
	}
	for name, path := range map[string]string{"set": `"data":1`, "append": `"data":"x"`} {
		var status int
		for i := range 4 {
			status, _ = post("/state/"+name, fmt.Sprintf(`{"topic":"prices/%s","key":"%d",%s}`, name, i, path))
		}
		if status != 429 {
			t.Errorf("%s of a key too many: %d", name, status)
		}
	}
	if status, _ := s.do(t, http.MethodGet, "/nothing", ""); status != 404 {
		t.Error(status)
	}
	if status, _ := s.do(t, http.MethodGet, "/publish", ""); status != 405 {
		t.Error(status)
	}
	for body, want := range map[string]string{
		`{"topic":"a","dat":1}`: `(\"dat\" isn't in it)`, `{"topic":["a"]}`: `(\"topic\" can't be of type array)`,
		`{"` + strings.Repeat("x", 200) + `":1}`: "takes: openapi.json",
	} {
		if status, answer := post("/publish", body); status != 400 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s, want %s", body, status, answer, want)
		}
	}
}

// TestNamesAreThereOnce: of two values of a name encoding/json takes the last, and of two lists
// a mixture. It also takes a name in any case.
func TestNamesAreThereOnce(t *testing.T) {
	s := newSite(t)
	for _, tt := range []struct{ path, body string }{
		{"/publish", `{"topic":"news","data":1,"topic":"other"}`},
		{"/publish", `{"topic":"news","data":1,"Topic":"other"}`},
		{"/publish", `{"topic":"news","DATA":1}`},
		{"/publish", `{"topic":"news","data":1,"topic":"news"}`},
		{"/publish", `{"topic":"news","data":1,"data":2}`},
		{"/batch", `{"messages":[{"topic":"news","data":1,"id":"first","event":"e"}],"messages":[{"topic":"news","data":2}]}`},
		{"/batch", `{"messages":[{"topic":"news","data":1},{"topic":"news","data":1,"id":"a","id":"b"}]}`},
		{"/revoke", `{"user":"ann","user":"bob","for":"1s"}`},
		{"/state/set", `{"topic":"flags","key":"a","data":1,"\u212aey":"b"}`},
	} {
		if status, answer := s.do(t, http.MethodPost, tt.path, tt.body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", tt.body, status, answer)
		}
	}
	if _, answer := s.do(t, http.MethodGet, "/history?topic=news", ""); !strings.Contains(answer, `"messages":[]`) {
		t.Errorf("there was published: %s", answer)
	}
	if status, answer := s.do(t, http.MethodPost, "/publish", `{"topic":"news","data":{"a":1,"a":2,"A":{"B":[]}}}`); status != http.StatusOK {
		t.Errorf("what the data has is the backend's matter: %d %s", status, answer)
	}
}

// TestFields: every field that the code reads or writes is in openapi.json, and no other.
func TestFields(t *testing.T) {
	d := readDescription(t)
	for name, of := range map[string]reflect.Type{
		"Publication": reflect.TypeFor[publication](), "Message": reflect.TypeFor[message](), "Receipt": reflect.TypeFor[receipt](),
		"Results": reflect.TypeFor[resultsOf](), "History": reflect.TypeFor[historyOf](), "State": reflect.TypeFor[entries](),
		"Members": reflect.TypeFor[membersOf](), "Connections": reflect.TypeFor[connectionsOf](), "Stats": reflect.TypeFor[figures](),
	} {
		d.compare(t, name, d.Components.Schemas[name], of)
	}
}

func fields(of reflect.Type) (names []string) {
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			if f.Type.Kind() == reflect.Pointer {
				f.Type = f.Type.Elem()
			}
			names = append(names, fields(f.Type)...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

func (d *description) compare(t *testing.T, name string, s schema, of reflect.Type) {
	t.Helper()
	for _, field := range fields(of) {
		// Those of the same structs that an answer never has.
		isNever := field == "topic" && name == "History[]" || slices.Contains([]string{"id", "topic", "event"}, field) && name == "State[]" ||
			field == "version" && name == "Results[]"
		if _, ok := s.Properties[field]; !ok && !isNever {
			t.Errorf("%s: openapi.json lacks %s", name, field)
		}
	}
	for property := range s.Properties {
		if !slices.Contains(fields(of), property) {
			t.Errorf("%s: openapi.json has %s, which the code hasn't", name, property)
		}
	}
	for f := range of.Fields() {
		if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			property, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			d.compare(t, name+"[]", *s.Properties[property].Items, f.Type.Elem())
		}
	}
}

// TestUnavailable: what a broker that is closed says is in openapi.json for each route.
func TestUnavailable(t *testing.T) {
	d, s := readDescription(t), newSite(t)
	if err := s.hub.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{
		"/publish": `{"topic":"a","data":1}`, "/state/set": `{"topic":"flags","key":"k","data":1}`, "/revoke": `{"user":"a"}`,
	} {
		status, answer := s.do(t, http.MethodPost, path, body)
		if status != 503 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
		i := slices.IndexFunc(routes, func(r route) bool { return r.path == path })
		d.checkAnswer(t, routes[i], status, answer)
	}
	status, answer := s.do(t, http.MethodPost, "/batch", `{"messages":[{"topic":"a","data":1},{"topic":"b","data":1},{"data":1}]}`)
	if status != 200 || strings.Count(answer, `"unavailable"`)+strings.Count(answer, `"draining"`) != 3 {
		t.Errorf("batch: %d %s", status, answer)
	}
}

func TestDescriptionIsServed(t *testing.T) {
	s := newSite(t)
	if status, body := s.do(t, http.MethodGet, "/openapi.json", "", "Accept", "*/*"); status != 200 || body != "{}" {
		t.Errorf("%d %s", status, body)
	}
	if _, err := os.Stat(filepath.Join("..", "..", "openapi.json")); err != nil {
		t.Error(err)
	}
}
