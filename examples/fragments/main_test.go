package main

import (
	"bufio"
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// post fills in the form, and returns the status and the form that comes back.
func post(t *testing.T, s *servetest.Server, name, text string, headers ...string) (int, string) {
	t.Helper()
	return s.Do(t, http.MethodPost, "/lines", url.Values{"name": {name}, "text": {text}}.Encode(),
		append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

func mustPost(t *testing.T, s *servetest.Server, text string) {
	t.Helper()
	if status, body := post(t, s, "Mira", text); status != http.StatusOK {
		t.Fatalf("post: %d %s", status, body)
	}
}

var (
	texts  = regexp.MustCompile(`data-testid="line-text">([^<]*)<`)
	stream = regexp.MustCompile(`sse-connect="([^"]*)"`)
)

// load returns the lines of a page, as text, and the URL of its stream.
func load(t *testing.T, s *servetest.Server, path string) (lines []string, connection string) {
	t.Helper()
	status, body := s.Do(t, http.MethodGet, path, "")
	connect := stream.FindStringSubmatch(body)
	if status != http.StatusOK || connect == nil {
		t.Fatalf("%s: %d %s", path, status, body)
	}
	for _, text := range texts.FindAllStringSubmatch(body, -1) {
		lines = append(lines, html.UnescapeString(text[1]))
	}
	return lines, html.UnescapeString(connect[1])
}

// follow follows a page's stream; next returns the text of the next line.
func follow(t *testing.T, s *servetest.Server, path, lastEventID string) (next func() (text, id string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		request.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := s.Client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	return func() (text, id string) {
		t.Helper()
		for lines.Scan() {
			if at, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = at
			}
			if found := texts.FindStringSubmatch(lines.Text()); found != nil {
				return html.UnescapeString(found[1]), id
			}
		}
		t.Fatal("the stream has ended")
		return "", ""
	}
}

func wantLines(t *testing.T, next func() (text, id string), want ...string) (id string) {
	t.Helper()
	for _, text := range want {
		var got string
		if got, id = next(); got != text {
			t.Fatalf("got the line %q, want %q", got, text)
		}
	}
	return id
}

func TestAPageAndItsStreamMeet(t *testing.T) {
	s := servetest.Start(t, run)
	mustPost(t, s, "first") // falls out of what a page shows
	for range shown - 2 {
		mustPost(t, s, "older")
	}
	mustPost(t, s, "one")
	mustPost(t, s, "two")
	for _, path := range []string{"/", "/lines"} {
		lines, stream := load(t, s, path)
		if len(lines) != shown || lines[0] != "two" || lines[1] != "one" || slices.Contains(lines, "first") {
			t.Errorf("%s shows %d lines: %q", path, len(lines), lines)
		}
		if strings.Contains(stream, "&amp;") || !strings.Contains(stream, "format=raw") {
			t.Errorf("%s follows %s", path, stream)
		}
		next := follow(t, s, stream, "")
		mustPost(t, s, "one")
		mustPost(t, s, "two")
		wantLines(t, next, "one", "two")
	}
}

func TestAStreamIsResumed(t *testing.T) {
	s := servetest.Start(t, run)
	_, stream := load(t, s, "/")
	next := follow(t, s, stream, "")
	mustPost(t, s, "before")
	id := wantLines(t, next, "before")
	mustPost(t, s, "missed")
	mustPost(t, s, "missed, too")
	again := follow(t, s, stream, id)
	mustPost(t, s, "after")
	wantLines(t, again, "missed", "missed, too", "after")
}

func TestWhatIsWrittenIsText(t *testing.T) {
	s := servetest.Start(t, run)
	_, stream := load(t, s, "/")
	next := follow(t, s, stream, "")
	for _, evil := range []string{
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</li></ol><p hx-get=/lines hx-trigger=load>",
		"{{.}}", "data: forged", "id: 1", "&amp;", "a\u2028b",
	} {
		status, form := post(t, s, evil[:min(len(evil), maxName)], evil)
		if status != http.StatusOK || strings.Contains(form, "<img") || strings.Contains(form, "<script") {
			t.Fatalf("%q: %d %s", evil, status, form)
		}
		wantLines(t, next, evil)
	}
	if _, page := s.Do(t, http.MethodGet, "/", ""); strings.Contains(page, "alert(1)</script>") || strings.Contains(page, "<img src=x") {
		t.Errorf("the page has what was written as HTML: %s", page)
	}
}

func TestAFormIsChecked(t *testing.T) {
	s := servetest.Start(t, run)
	for name, c := range map[string]struct {
		name, text string
		want       int
	}{
		"good":         {" Mira ", " hello ", 200},
		"a long line":  {"Mira", strings.Repeat("ß", maxText), 200},
		"too long":     {"Mira", strings.Repeat("ß", maxText+1), 422},
		"no line":      {"Mira", " ", 422},
		"no name":      {"", "hello", 422},
		"a long name":  {strings.Repeat("a", maxName+1), "hello", 422},
		"two lines":    {"Mira", "a\nb", 422},
		"controls":     {"Mira\x00", "a\u0085b", 422},
		"not UTF-8":    {"Mira", "\xff", 422},
		"far too long": {"Mira", strings.Repeat("a", maxForm), 400},
	} {
		status, form := post(t, s, c.name, c.text)
		if status != c.want || strings.Contains(form, `id="problem"`) != (c.want == 422) {
			t.Errorf("%s: %d %s", name, status, form)
		}
	}
	if _, form := post(t, s, "<Mira>", ""); !strings.Contains(form, `value="&lt;Mira&gt;"`) || !strings.Contains(form, `role="alert"`) {
		t.Errorf("the form doesn't keep what was written, or doesn't say what is wrong: %s", form)
	}
	if _, form := post(t, s, "Mira", "hello"); !strings.Contains(form, `value="Mira"`) || !strings.Contains(form, `data-testid="text" value=""`) {
		t.Errorf("the next form is %s", form)
	}
}

func TestALineIsRenderedOnce(t *testing.T) {
	l, problem := form{Name: "éva", Text: "a<b"}.line(time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)))
	var got strings.Builder
	if err := templates.ExecuteTemplate(&got, "line", l); err != nil || problem != "" {
		t.Fatal(err, problem)
	}
	for _, want := range []string{`>É</span>`, `<time datetime="2026-01-02T02:04:05Z">02:04 UTC</time>`, `>a&lt;b</p>`} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%s lacks %s", got.String(), want)
		}
	}
}

func TestOnlyTheServerPublishes(t *testing.T) {
	s := servetest.Start(t, run)
	for path, want := range map[string]int{
		"/push/send?topic=lines": 403, "/push/publish?topic=lines": 403,
	} {
		if status, body := s.Do(t, http.MethodPost, path, "<b>"); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := s.Do(t, http.MethodGet, "/push/sse?topic=other", ""); status != http.StatusForbidden {
		t.Errorf("another topic: %d", status)
	}
	if status, _ := post(t, s, "Mira", "hello", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", status)
	}
}

func TestThePageIsUnderAStrictPolicy(t *testing.T) {
	s := servetest.Start(t, run)
	for path, want := range map[string]int{
		"/": 200, "/lines": 200, "/page.js": 200, "/lib/htmx.min.js": 200, "/lib/sse.min.js": 200, "/style.css": 200, "/site.go": 404, "/templates/index.html": 404,
	} {
		response, err := s.Client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		policy := response.Header.Get("Content-Security-Policy")
		if response.StatusCode != want || !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s, policy %q", path, response.Status, policy)
		}
	}
}

func TestStrangeHostNamesAreRefused(t *testing.T) { servetest.StrangeHostNamesAreRefused(t, run) }
