package upload

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

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
