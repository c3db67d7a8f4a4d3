package upload

import (
	"bytes"
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
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
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

// TestHostileCreation has what no honest client sends.
func TestHostileCreation(t *testing.T) {
	w := begin(t, Options{MaxSize: 100})
	for name, test := range map[string]struct {
		headers []string
		body    string
		want    int
	}{
		"no length":            {[]string{"Upload-Length", ""}, "", 400},
		"a negative length":    {[]string{"Upload-Length", "-1"}, "", 400},
		"an empty length":      {[]string{"Upload-Length", " "}, "", 400},
		"a length with a sign": {[]string{"Upload-Length", "+1"}, "", 400},
		"a fraction":           {[]string{"Upload-Length", "1.0"}, "", 400},
		"more than an int64":   {[]string{"Upload-Length", "9223372036854775808"}, "", 400},
		"more than 15 digits":  {[]string{"Upload-Length", "0000000000000001"}, "", 400},
		"too large":            {[]string{"Upload-Length", "101"}, "", 413},
		"no completeness":      {[]string{"Upload-Complete", ""}, "", 400},
		"some completeness":    {[]string{"Upload-Complete", "true"}, "", 400},
		"complete":             {[]string{"Upload-Complete", "?1"}, "", 400},
		"content":              {nil, "abc", 400},
		"nobody":               {[]string{"User", ""}, "", 401},
		"another site":         {[]string{"Origin", "https://evil.example"}, "", 403},
	} {
		headers := append([]string{"Upload-Length", "10", "Upload-Complete", "?0"}, test.headers...)
		a := w.do(http.MethodPost, w.url, strings.NewReader(test.body), headers...)
		if a.status != test.want || a.header.Get("Location") != "" || !strings.Contains(a.body, `"code"`) {
			t.Errorf("%s: %+v, want %d", name, a, test.want)
		}
		if test.want == http.StatusRequestEntityTooLarge && a.header.Get("Upload-Limit") != "max-size=100, max-append-size=8388608" {
			t.Errorf("%s: limit %q", name, a.header.Get("Upload-Limit"))
		}
	}
	if left, _ := os.ReadDir(w.dir.path); len(left) > 0 || len(w.progress) > 0 {
		t.Errorf("left: %v, %v", left, w.progress)
	}
}

func TestHostileNames(t *testing.T) {
	w := begin(t, Options{})
	for header, want := range map[string]string{
		"":                                    "",
		"inline":                              "",
		"inline; filename=\"a\"; filename=b":  "",
		"inline; filename*=UTF-8''%00a%1b%7F": "a",
		"inline; filename*=UTF-8''%ff":        "\uFFFD",
		`inline; filename="../../etc/passwd"`: "../../etc/passwd",
		"inline; filename=" + strings.Repeat("a", 300):                  strings.Repeat("a", 255),
		"inline; filename*=UTF-8''a" + strings.Repeat("%E2%82%AC", 100): "a" + strings.Repeat("€", 84),
	} {
		w.create(1, "Content-Disposition", header)
		if got := w.progress[len(w.progress)-1].Name; got != want {
			t.Errorf("%q is %q, want %q", header, got, want)
		}
	}
}

// TestHostilePieces: whatever is refused leaves the upload as it was.
func TestHostilePieces(t *testing.T) {
	w := begin(t, Options{MaxPiece: 6})
	url := w.create(10)
	w.patch(url, 0, "?0", "012")
	chunked := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) } // of no known length
	for name, test := range map[string]struct {
		headers []string
		body    io.Reader
		want    int
		offset  string
	}{
		"no offset":             {[]string{"Upload-Offset", ""}, nil, 400, ""},
		"a negative offset":     {[]string{"Upload-Offset", "-3"}, nil, 400, ""},
		"an offset before":      {[]string{"Upload-Offset", "0"}, nil, 409, "3"},
		"an offset behind":      {[]string{"Upload-Offset", "4"}, nil, 409, "3"},
		"an offset past it":     {[]string{"Upload-Offset", "999999999999999"}, nil, 409, "3"},
		"no completeness":       {[]string{"Upload-Complete", ""}, nil, 400, ""},
		"another length":        {[]string{"Upload-Length", "11"}, nil, 400, ""},
		"another type":          {[]string{"Content-Type", "text/plain"}, nil, 415, ""},
		"no type":               {[]string{"Content-Type", ""}, nil, 415, ""},
		"an encoding":           {[]string{"Content-Encoding", "gzip"}, nil, 415, ""},
		"more than a piece":     {nil, strings.NewReader("3456789"), 413, ""},
		"more than the file":    {nil, strings.NewReader("3456789X"), 400, ""},
		"complete too early":    {[]string{"Upload-Complete", "?1"}, strings.NewReader(""), 400, ""},
		"another user's":        {[]string{"User", "eve"}, nil, 404, ""},
		"nobody's":              {[]string{"User", ""}, nil, 404, ""},
		"another site's":        {[]string{"Origin", "https://evil.example"}, nil, 403, ""},
		"another site's cookie": {[]string{"Cookie", "a=b", "Sec-Fetch-Site", "cross-site"}, nil, 403, ""},
	} {
		if test.body == nil {
			test.body = strings.NewReader("34")
		}
		headers := append([]string{"Upload-Offset", "3", "Upload-Complete", "?0", "Content-Type", partialUpload}, test.headers...)
		a := w.do(http.MethodPatch, url, test.body, headers...)
		if a.status != test.want || a.header.Get("Upload-Offset") != test.offset || !strings.Contains(a.body, `"code"`) {
			t.Errorf("%s: %+v, want %d", name, a, test.want)
		}
		w.isAt(url, "3", "?0")
	}
	// What has arrived before it was too much is kept.
	headers := []string{"Upload-Offset", "3", "Upload-Complete", "?0", "Content-Type", partialUpload}
	if a := w.do(http.MethodPatch, url, chunked("3456789"), headers...); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("chunks: %+v", a)
	}
	w.isAt(url, "9", "?0")
	headers[1] = "9"
	if a := w.do(http.MethodPatch, url, chunked("9X"), headers...); a.status != http.StatusBadRequest {
		t.Errorf("chunks past the end: %+v", a)
	}
	if a := w.patch(url, 10, "?1", ""); a.status != http.StatusOK || w.files[0] != "0123456789" {
		t.Errorf("the end: %+v, %q", a, w.files)
	}
}

func TestHostileRequests(t *testing.T) {
	w := begin(t, Options{})
	url := w.create(10)
	id := url[len(url)-idLength:]
	for name, test := range map[string]struct {
		method, query string
		want          int
	}{
		"no such upload":        {"HEAD", "?upload=" + strings.Repeat("A", idLength), 404},
		"a path":                {"GET", "?upload=../../../../etc/passwd", 404},
		"a path of that length": {"PATCH", "?upload=" + "..%2F..%2F..%2F..%2F..%2F..%2Fetc%2Fabc", 404},
		"lower case":            {"GET", "?upload=" + strings.ToLower(id), 404},
		"a suffix":              {"GET", "?upload=" + id[:25] + ".", 404},
		"nothing":               {"DELETE", "?upload=", 404},
		"two":                   {"GET", "?upload=" + id + "&upload=" + id, 400},
		"an odd query":          {"GET", "?upload=%zz", 400},
		"another method":        {"PUT", "?upload=" + id, 405},
		"a GET of none":         {"GET", "", 405},
		"a DELETE of all":       {"DELETE", "", 405},
	} {
		if a := w.do(test.method, w.url+test.query, nil); a.status != test.want {
			t.Errorf("%s: %+v, want %d", name, a, test.want)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
		if a := w.do(method, url, strings.NewReader("content")); a.status != http.StatusBadRequest {
			t.Errorf("%s with content: %+v", method, a)
		}
		if a := w.do(method, url, nil, "User", "eve"); a.status != http.StatusNotFound {
			t.Errorf("%s by another user: %+v", method, a)
		}
	}
	w.isAt(url, "0", "?0")
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

// TestTheNewestRequestGoesOn: a piece that hangs in a connection that is dead ends when its
// client asks again, and what has arrived of it is kept.
func TestTheNewestRequestGoesOn(t *testing.T) {
	for _, method := range []string{http.MethodHead, http.MethodPatch} {
		w := begin(t, Options{})
		url := w.create(10)
		body, write := io.Pipe()
		hanging := make(chan answer)
		go func() {
			hanging <- w.do(http.MethodPatch, url, body, "Upload-Offset", "0", "Upload-Complete", "?0", "Content-Type", partialUpload)
		}()
		if _, err := write.Write([]byte("0123")); err != nil {
			t.Fatal(err)
		}
		id := url[len(url)-idLength:]
		testaid.Eventually(t, "4 bytes are there", func() bool {
			u, err := w.dir.Find(t.Context(), id)
			return err == nil && u.Offset == 4
		})
		switch method {
		case http.MethodHead:
			w.isAt(url, "4", "?0")
		case http.MethodPatch:
			if a := w.patch(url, 4, "?1", "456789"); a.status != http.StatusOK || w.files[0] != "0123456789" {
				t.Errorf("the newest: %+v, %q", a, w.files)
			}
		}
		_ = write.Close()
		if a := <-hanging; a.status != http.StatusServiceUnavailable {
			t.Errorf("the first: %+v", a)
		}
	}
}

func TestAPieceThatIsCut(t *testing.T) {
	w := begin(t, Options{})
	url := w.create(10)
	ctx, cancel := context.WithCancel(t.Context())
	body, write := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodPatch, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 10
	for name, value := range map[string]string{"User": "ana", "Upload-Offset": "0", "Upload-Complete": "?1", "Content-Type": partialUpload} {
		r.Header.Set(name, value)
	}
	done := make(chan error)
	go func() {
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			response.Body.Close()
		}
		done <- err
	}()
	if _, err := write.Write([]byte("0123")); err != nil {
		t.Fatal(err)
	}
	id := url[len(url)-idLength:]
	testaid.Eventually(t, "4 bytes are there", func() bool { u, _ := w.dir.Find(t.Context(), id); return u.Offset == 4 })
	cancel()
	_ = write.Close()
	if err := <-done; err == nil {
		t.Error("the request had an answer")
	}
	w.isAt(url, "4", "?0")
	if a := w.patch(url, 4, "?1", "456789"); a.status != http.StatusOK || w.files[0] != "0123456789" {
		t.Errorf("the rest: %+v, %q", a, w.files)
	}
}

// TestAPieceThatStalls ends at PieceTimeout, and what has arrived is kept.
func TestAPieceThatStalls(t *testing.T) {
	w := begin(t, Options{PieceTimeout: 100 * time.Millisecond})
	url := w.create(10)
	body, write := io.Pipe()
	go func() { _, _ = write.Write([]byte("0123")) }() // the rest never comes
	a := w.do(http.MethodPatch, url, body, "Upload-Offset", "0", "Upload-Complete", "?1", "Content-Type", partialUpload)
	_ = write.Close()
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, `"timeout"`) {
		t.Errorf("it got %+v", a)
	}
	if a := w.do(http.MethodHead, url, nil); a.header.Get("Upload-Complete") != "?0" {
		t.Errorf("afterwards: %+v", a)
	}
}

// TestRequestsAtOnce: whatever requests for one upload come together, the file is whole.
func TestRequestsAtOnce(t *testing.T) {
	w := begin(t, Options{})
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	url := w.create(len(content))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				a := w.do(http.MethodGet, url, nil)
				if a.header.Get("Upload-Complete") == "?1" {
					return
				}
				at, err := strconv.Atoi(a.header.Get("Upload-Offset"))
				if err != nil {
					continue // another request has its turn
				}
				end, last := min(at+1000, len(content)), "?0"
				if end == len(content) {
					last = "?1"
				}
				w.patch(url, at, last, string(content[at:end]))
			}
		})
	}
	all.Wait()
	if len(w.files) != 1 || w.files[0] != string(content) {
		t.Errorf("finished %d times, with %d bytes", len(w.files), len(w.files[0]))
	}
}
