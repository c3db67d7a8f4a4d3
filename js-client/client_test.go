package jsclient

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestManifest says when dist was not built from src, without Node.
func TestManifest(t *testing.T) {
	manifest, err := os.Open("dist/MANIFEST")
	if err != nil {
		t.Fatal(err)
	}
	defer manifest.Close()
	listed := map[string]bool{}
	for lines := bufio.NewScanner(manifest); lines.Scan(); {
		want, path, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			t.Fatalf("not a line of a manifest: %q", lines.Text())
		}
		listed[path] = true
		content, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is not what dist was built from; run npm run build", path)
		}
	}
	for _, pattern := range []string{"src/*", "dist/*", "package-lock.json", "build.mjs", "tsconfig.json"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("nothing is at %s: %v", pattern, err)
		}
		for _, path := range paths {
			if path := filepath.ToSlash(path); path != "dist/MANIFEST" && !listed[path] {
				t.Errorf("%s is not in the manifest; run npm run build", path)
			}
		}
	}
}

func TestNothingNamesARegistry(t *testing.T) {
	for _, path := range []string{"package.json", "package-lock.json", ".npmrc", "compare/package.json", "compare/package-lock.json"} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{`"resolved"`, "registry="} {
			if bytes.Contains(content, []byte(word)) {
				t.Errorf("%s holds %s", path, word)
			}
		}
	}
}

func TestSize(t *testing.T) {
	for name, budget := range map[string]int{
		"client.mjs": 8480, "client.js": 8480, "state.mjs": 1024, "upload.mjs": 2304, "node.mjs": 700, "react.mjs": 700,
		"tabs.mjs": 4096,
	} {
		content, err := os.ReadFile("dist/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var zipped bytes.Buffer
		w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(content)
		_ = w.Close()
		// Compressors differ by some bytes; the build enforces the budgets exactly.
		if got := zipped.Len(); got > budget+budget/50 {
			t.Errorf("%s has %d bytes gzipped, over its budget of %d", name, got, budget)
		}
	}
}

func request(h http.Handler, method string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, "/anything", nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// TestServe serves all that is built, except source maps, and nothing else, each with its type.
func TestServe(t *testing.T) {
	entries, err := os.ReadDir("dist")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.Name() != "MANIFEST" && !strings.HasSuffix(entry.Name(), ".map") {
			names = append(names, entry.Name())
		}
	}
	if !slices.Equal(Names(), names) {
		t.Errorf("it has %q; dist has %q", Names(), names)
	}
	for _, name := range []string{"", ".", "..", "MANIFEST", "dist/client.js", "/client.js", "../client.go", "client"} {
		if File(name) != nil || Integrity(name) != "" {
			t.Errorf("it has a file %q", name)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			handler := File(name)
			want, err := os.ReadFile("dist/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if code, found := bytes.CutSuffix(want, []byte("\n//# sourceMappingURL="+name+".map\n")); found {
				want = code
			} else if !strings.Contains(name, ".d.") {
				t.Error("it names no source map")
			}
			contentType := "text/javascript; charset=utf-8"
			if strings.Contains(name, ".d.") {
				contentType = "application/typescript; charset=utf-8"
			}
			types := "" // of a module: those beside it
			if module, ok := strings.CutSuffix(name, ".mjs"); ok {
				types = module + ".d.mts"
				if File(types) == nil {
					t.Errorf("there is no %s", types)
				}
				types = "./" + types
			}
			plain := request(handler, http.MethodGet, http.Header{})
			body, _ := io.ReadAll(plain.Body)
			if plain.StatusCode != 200 || !bytes.Equal(body, want) {
				t.Fatalf("status %d, %d bytes", plain.StatusCode, len(body))
			}
			for field, want := range map[string]string{
				"Content-Type":           contentType,
				"X-Typescript-Types":     types,
				"Cache-Control":          "no-cache",
				"X-Content-Type-Options": "nosniff",
				"Vary":                   "Accept-Encoding",

				"Access-Control-Allow-Origin":      "*",
				"Access-Control-Allow-Credentials": "",
				"Cross-Origin-Resource-Policy":     "cross-origin",
			} {
				if got := plain.Header.Get(field); got != want {
					t.Errorf("%s: %q, want %q", field, got, want)
				}
			}

			zipped := request(handler, http.MethodGet, http.Header{"Accept-Encoding": {"br, gzip;q=0.8"}})
			r, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(r); !bytes.Equal(body, want) {
				t.Error("the gzipped body is another")
			}
			if zipped.Header.Get("ETag") == plain.Header.Get("ETag") {
				t.Error("both encodings have the same ETag")
			}
			refused := request(handler, http.MethodGet, http.Header{"Accept-Encoding": {"gzip;q=0, br"}})
			if refused.Header.Get("Content-Encoding") != "" {
				t.Error("gzip for a client that refuses it")
			}

			known := request(handler, http.MethodGet, http.Header{"If-None-Match": {`"x", W/` + plain.Header.Get("ETag")}})
			if body, _ := io.ReadAll(known.Body); known.StatusCode != http.StatusNotModified || len(body) != 0 {
				t.Errorf("known: status %d, %d bytes", known.StatusCode, len(body))
			}
			head := request(handler, http.MethodHead, http.Header{})
			if body, _ := io.ReadAll(head.Body); head.StatusCode != 200 || len(body) != 0 || head.ContentLength != int64(len(want)) {
				t.Errorf("HEAD: status %d, %d bytes, Content-Length %d", head.StatusCode, len(body), head.ContentLength)
			}
			post := request(handler, http.MethodPost, http.Header{})
			if post.StatusCode != http.StatusMethodNotAllowed || post.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("POST: status %d, Allow %q", post.StatusCode, post.Header.Get("Allow"))
			}
		})
	}
}

func TestIntegrity(t *testing.T) {
	all := map[string]bool{}
	for _, name := range Names() {
		integrity := Integrity(name)
		if all[integrity] || !strings.HasPrefix(integrity, "sha256-") || len(integrity) != len("sha256-")+44 {
			t.Errorf("%s: %s", name, integrity)
		}
		all[integrity] = true
	}
}
