package upload

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// world is a server with uploads, and what the application has seen.
type world struct {
	t   *testing.T
	url string
	dir *Dir

	mu       sync.Mutex
	files    []string // that Finish has taken
	progress []Upload
	refuse   error // what Finish says
}

// begin starts the server; user is who makes a request, by the header User.
func begin(t *testing.T, options Options, dir ...DirOptions) *world {
	t.Helper()
	w := &world{t: t}
	w.dir = newDir(t, dir...)
	hub := push.New(membroker.New(), push.Options{
		Identify: func(r *http.Request) (push.Identity, error) { return push.Identity{User: r.Header.Get("User")}, nil },
		Origins:  []string{"https://page.example"},
		Limits:   push.Limits{Sends: push.Rate{PerSecond: 1e6, Burst: 1e6}},
	})
	options.Store, options.Finish, options.Progress = w.dir, w.finish, w.note
	server := httptest.NewServer(New(hub, options))
	w.url = server.URL + "/files"
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) finish(_ context.Context, u Upload, content io.ReadSeeker) (push.Reply, error) {
	all, err := io.ReadAll(content)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return push.Reply{}, w.refuse
	}
	w.files = append(w.files, string(all))
	return push.Reply{Data: []byte("got " + u.Name)}, err
}

func (w *world) note(_ context.Context, u Upload) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress = append(w.progress, u)
}

// answer is what the server says.
type answer struct {
	status int
	header http.Header
	body   string
}

// do makes a request with headers, as ana unless they say else.
func (w *world) do(method, url string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, url, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("User", "ana")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(all)}
}

// create begins an upload, and returns its URL.
func (w *world) create(size int, headers ...string) string {
	w.t.Helper()
	a := w.do(http.MethodPost, w.url, nil, append([]string{"Upload-Length", strconv.Itoa(size), "Upload-Complete", "?0"}, headers...)...)
	if a.status != http.StatusCreated || !strings.HasPrefix(a.header.Get("Location"), "?upload=") {
		w.t.Fatalf("created: %+v", a)
	}
	return w.url + a.header.Get("Location")
}

func (w *world) patch(url string, offset int, last, body string, headers ...string) answer {
	w.t.Helper()
	return w.do(http.MethodPatch, url, strings.NewReader(body), append([]string{
		"Upload-Offset", strconv.Itoa(offset), "Upload-Complete", last, "Content-Type", "application/partial-upload",
	}, headers...)...)
}

func (w *world) isAt(url, offset, complete string) {
	w.t.Helper()
	a := w.do(http.MethodHead, url, nil)
	if a.status != http.StatusNoContent || a.header.Get("Upload-Offset") != offset || a.header.Get("Upload-Complete") != complete {
		w.t.Errorf("it is at %+v, want %s, complete %s", a, offset, complete)
	}
}

func TestAFileComesInPieces(t *testing.T) {
	w := begin(t, Options{})
	url := w.create(10, "Content-Disposition", "inline; filename*=UTF-8''a%20%281%29%2F%C3%A4.bin", "Content-Type", "text/x")
	if a := w.patch(url, 0, "?0", "01234"); a.status != http.StatusNoContent || a.header.Get("Upload-Offset") != "5" {
		t.Fatalf("first piece: %+v", a)
	}
	w.isAt(url, "5", "?0")
	a := w.patch(url, 5, "?1", "56789")
	if a.status != http.StatusOK || a.header.Get("Upload-Complete") != "?1" || a.body != `{"data":"got a (1)/ä.bin"}` {
		t.Errorf("last piece: %+v", a)
	}
	if again := w.do(http.MethodGet, url, nil); again.body != a.body || again.header.Get("Upload-Complete") != "?1" {
		t.Errorf("asked for again: %+v", again)
	}
	w.isAt(url, "10", "?1")
	if len(w.files) != 1 || w.files[0] != "0123456789" {
		t.Errorf("finished: %q", w.files)
	}
	var said []string
	for _, u := range w.progress {
		said = append(said, string(u.Phase)+" "+strconv.FormatInt(u.Offset, 10))
	}
	if got := strings.Join(said, ", "); got != "receiving 0, receiving 5, receiving 10, done 10" {
		t.Errorf("progress: %s", got)
	}
	if u := w.progress[0]; u.Name != "a (1)/ä.bin" || u.Type != "text/x" || u.User != "ana" || u.Size != 10 {
		t.Errorf("it is %+v", u)
	}
	if a := w.patch(url, 10, "?1", ""); a.status != http.StatusConflict {
		t.Errorf("a finished upload takes more: %+v", a)
	}
	if _, err := os.Stat(w.dir.File(w.progress[0].ID)); err == nil {
		t.Error("the file is kept")
	}
}

func TestAnEmptyFile(t *testing.T) {
	w := begin(t, Options{})
	if a := w.patch(w.create(0), 0, "?1", ""); a.status != http.StatusOK || len(w.files) != 1 {
		t.Errorf("%+v, %q", a, w.files)
	}
}

// TestAFileThatIsRefused: the answer is kept as well, unless the client is to try again.
func TestAFileThatIsRefused(t *testing.T) {
	w := begin(t, Options{})
	url := w.create(2)
	w.refuse = errors.New("disk full")
	if a := w.patch(url, 0, "?1", "ab"); a.status != http.StatusInternalServerError || a.header.Get("Upload-Complete") != "" {
		t.Errorf("a failure: %+v", a)
	}
	w.isAt(url, "2", "?0")
	w.refuse = push.NewError(push.CodeUnsupported, "no such files", nil)
	for _, a := range []answer{w.patch(url, 2, "?1", ""), w.do(http.MethodGet, url, nil)} {
		if a.status != http.StatusUnsupportedMediaType || a.header.Get("Upload-Complete") != "?1" || !strings.Contains(a.body, "no such files") {
			t.Errorf("refused: %+v", a)
		}
	}
	if last := w.progress[len(w.progress)-1]; last.Phase != PhaseRefused {
		t.Errorf("at the end: %+v", last)
	}
}

func TestCancelled(t *testing.T) {
	w := begin(t, Options{})
	url := w.create(2)
	if a := w.do(http.MethodDelete, url, nil); a.status != http.StatusNoContent {
		t.Errorf("%+v", a)
	}
	if a := w.do(http.MethodDelete, url, nil); a.status != http.StatusNotFound {
		t.Errorf("again: %+v", a)
	}
	if last := w.progress[len(w.progress)-1]; last.Phase != PhaseCancelled {
		t.Errorf("at the end: %+v", last)
	}
	if left, _ := os.ReadDir(w.dir.path); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOtherOrigins(t *testing.T) {
	w := begin(t, Options{})
	a := w.do(http.MethodOptions, w.url, nil, "Origin", "https://page.example", "Access-Control-Request-Method", "PATCH",
		"Access-Control-Request-Headers", "upload-offset")
	if a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "PATCH") ||
		a.header.Get("Access-Control-Allow-Headers") != "upload-offset" {
		t.Errorf("preflight: %+v", a)
	}
	a = w.do(http.MethodPost, w.url, nil, "Origin", "https://page.example", "Upload-Length", "1", "Upload-Complete", "?0")
	if a.status != http.StatusCreated || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Location") {
		t.Errorf("created: %+v", a)
	}
	if a := w.do(http.MethodOptions, w.url, nil); a.header.Get("Accept-Patch") != partialUpload || a.header.Get("Upload-Limit") == "" {
		t.Errorf("options: %+v", a)
	}
}
