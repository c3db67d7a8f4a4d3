// Package jsclient holds the browser client as it was built from src, and
// serves it, so that who uses Tidewire needs no Node.
package jsclient

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

//go:embed dist/client.js
var script []byte

//go:embed dist/client.mjs
var module []byte

//go:embed dist/state.mjs
var state []byte

//go:embed dist/upload.mjs
var upload []byte

var (
	scriptFile = newFile(script)
	moduleFile = newFile(module)
	stateFile  = newFile(state)
	uploadFile = newFile(upload)
)

// Script serves the client for a plain script element: it sets
// window.Tidewire.
func Script() http.Handler { return scriptFile }

// Module serves the client as an ES module.
func Module() http.Handler { return moduleFile }

// State serves the ES module that keeps the keys and values of a state topic, for pages that
// have a client by [Module].
func State() http.Handler { return stateFile }

// Upload serves the ES module that uploads files. It imports [Module] as client.mjs, beside
// itself.
func Upload() http.Handler { return uploadFile }

// ScriptIntegrity is the value for the integrity attribute of a script element
// that loads [Script].
func ScriptIntegrity() string { return scriptFile.integrity }

// ModuleIntegrity is the same for [Module].
func ModuleIntegrity() string { return moduleFile.integrity }

// StateIntegrity is the same for [State].
func StateIntegrity() string { return stateFile.integrity }

// UploadIntegrity is the same for [Upload].
func UploadIntegrity() string { return uploadFile.integrity }

// file is an embedded file and all that is said about it, made once.
type file struct {
	plain, zipped []byte
	etag          string
	integrity     string
}

func newFile(plain []byte) *file {
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
	return &file{
		plain:     plain,
		zipped:    zipped.Bytes(),
		etag:      hex.EncodeToString(sum[:]),
		integrity: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
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
	h.Set("Content-Type", "text/javascript; charset=utf-8")
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
