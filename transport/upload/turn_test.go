package upload

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push/testaid"
)

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
