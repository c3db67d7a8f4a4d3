package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// create begins an upload of 10 bytes, and returns its path.
func create(t *testing.T, s *servetest.Server) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/uploads", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Upload-Length", "10")
	r.Header.Set("Upload-Complete", "?0")
	r.Header.Set("Content-Disposition", `inline; filename="a.txt"`)
	response, err := s.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatal(response.Status)
	}
	return "/uploads" + response.Header.Get("Location")
}

func patch(t *testing.T, s *servetest.Server, path, offset, last, body string) (int, string) {
	t.Helper()
	return s.Do(t, http.MethodPatch, path, body,
		"Upload-Offset", offset, "Upload-Complete", last, "Content-Type", "application/partial-upload")
}

// shownBy is the state of all uploads.
func shownBy(t *testing.T, s *servetest.Server) string {
	t.Helper()
	_, body := s.Do(t, http.MethodGet, "/push/poll?wait=0&state="+uploadsTopic, "")
	return body
}

func TestAnUploadIsShownAndHashed(t *testing.T) {
	s := servetest.Start(t, run)
	path := create(t, s)
	if status, body := patch(t, s, path, "0", "?0", "01234"); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	testaid.Eventually(t, "half of it is shown", func() bool {
		return strings.Contains(shownBy(t, s), `{"name":"a.txt","size":10,"offset":5,"phase":"receiving"}`)
	})
	_, id, _ := strings.Cut(path, "upload=")
	if strings.Contains(shownBy(t, s), id) {
		t.Error("everybody learns the upload's ID")
	}
	sum := sha256.Sum256([]byte("0123456789"))
	if _, body := patch(t, s, path, "5", "?1", "56789"); body != `{"data":{"sha256":"`+hex.EncodeToString(sum[:])+`"}}` {
		t.Errorf("the reply: %s", body)
	}
	testaid.Eventually(t, "it is done", func() bool { return strings.Contains(shownBy(t, s), `"phase":"done"`) })
}

func TestACancelledUploadIsShownNoMore(t *testing.T) {
	s := servetest.Start(t, run)
	path := create(t, s)
	testaid.Eventually(t, "it is shown", func() bool { return strings.Contains(shownBy(t, s), "a.txt") })
	if status, body := s.Do(t, http.MethodDelete, path, ""); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	testaid.Eventually(t, "it isn't shown", func() bool { return !strings.Contains(shownBy(t, s), "a.txt") })
}

// TestARestart: with a folder, an upload goes on in the next process.
func TestARestart(t *testing.T) {
	dir := t.TempDir()
	s := servetest.Start(t, run, "-dir", dir)
	path := create(t, s)
	patch(t, s, path, "0", "?0", "01234")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s = servetest.Start(t, run, "-dir", dir)
	if status, body := patch(t, s, path, "5", "?1", "56789"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestASlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n, err := io.Copy(io.Discard, slowBody{io.NopCloser(strings.NewReader(strings.Repeat("a", 1_500_000)))})
		if took := time.Since(began); n != 1_500_000 || err != nil || took.Round(time.Millisecond) != 2*time.Second {
			t.Errorf("%d bytes took %v, %v", n, took, err)
		}
	})
}

func TestStrangeHostNamesAreRefused(t *testing.T) { servetest.StrangeHostNamesAreRefused(t, run) }
