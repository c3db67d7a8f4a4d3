// Package jsclient holds the browser client as it was built from src, and
// serves it, so that who uses Tidewire needs no Node.
package jsclient

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed dist/*.js dist/*.mjs dist/*.d.ts dist/*.d.mts
var dist embed.FS

// files are all that is served, by name.
var files = readFiles()

// Names returns the names of the client's files, in order: scripts, ES modules, and the
// declarations of their types for TypeScript.
func Names() []string {
	entries, err := dist.ReadDir("dist")
	if err != nil {
		panic("jsclient: " + err.Error()) // it is embedded
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

// File serves the file of that name, whatever the path of a request; nil if there is none.
// client.mjs is the client as an ES module, and client.js for a plain script element, which
// sets window.Tidewire. state.mjs keeps the keys and values of a state topic, for pages that
// have a client.
func File(name string) http.Handler {
	if f := files[name]; f != nil {
		return f
	}
	return nil
}

// Integrity returns the value for the integrity attribute of a script element that loads the
// file of that name; empty if there is none.
func Integrity(name string) string {
	if f := files[name]; f != nil {
		return f.integrity
	}
	return ""
}

func readFiles() map[string]*file {
	files := map[string]*file{}
	for _, name := range Names() {
		content, err := dist.ReadFile("dist/" + name)
		if err != nil {
			panic("jsclient: " + err.Error()) // it is embedded
		}
		files[name] = newFile(name, content)
	}
	return files
}

// contentTypes are by the ends of names. TypeScript has no registered type of its own; this
// is the one by which Deno and others know declarations.
var contentTypes = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8",
	".mts": "application/typescript; charset=utf-8",
	".ts":  "application/typescript; charset=utf-8",
}

// file is an embedded file and all that is said about it, made once.
type file struct {
	plain, zipped []byte
	contentType   string
	types         string // the URL of its declarations, relative to its own; empty if it has none
	etag          string
	integrity     string
}

func newFile(name string, built []byte) *file {
	// Source maps are in the npm package only: browsers would look for them here.
	plain, _, _ := bytes.Cut(built, []byte("\n//# sourceMappingURL="))
	sum := sha256.Sum256(plain)
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("jsclient: " + err.Error()) // a buffer takes everything
	}
	var types string
	if module, ok := strings.CutSuffix(name, ".mjs"); ok {
		types = "./" + module + ".d.mts"
	}
	return &file{
		plain:       plain,
		zipped:      zipped.Bytes(),
		contentType: contentTypes[path.Ext(name)],
		types:       types,
		etag:        hex.EncodeToString(sum[:]),
		integrity:   "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
	}
}

func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// It is for everybody, and the same for all: so a page of any origin may import it, also
	// one that is isolated (Cross-Origin-Embedder-Policy) or checks its integrity.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", f.contentType)
	if f.types != "" {
		h.Set("X-TypeScript-Types", f.types) // where Deno finds the types of a module that it imports by URL
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	// Two encodings are two representations (RFC 9110 section 8.8.3).
	body, etag := f.plain, `"`+f.etag+`"`
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body, etag = f.zipped, `"`+f.etag+`-gzip"`
	}
	h.Set("ETag", etag)
	if matches(r.Header.Values("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a client that has gone needs no answer
	}
}

func acceptsGzip(r *http.Request) bool {
	for entry := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, parameters, _ := strings.Cut(entry, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, quality, weighted := strings.Cut(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q=")
			q, err := strconv.ParseFloat(quality, 64)
			return !weighted || err == nil && q > 0
		}
	}
	return false
}

// matches compares as If-None-Match asks for, weakly (RFC 9110 section 13.1.2).
func matches(fields []string, etag string) bool {
	for entry := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		entry = strings.TrimSpace(entry)
		if entry == "*" || strings.TrimPrefix(entry, "W/") == etag {
			return true
		}
	}
	return false
}
