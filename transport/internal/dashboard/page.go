package dashboard

import (
	"bytes"
	"embed"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed page
var files embed.FS

// policy lets the page use only what comes from its own server, and no script or style that is
// in the HTML itself.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pages returns the handlers of the page's files.
func pages() map[string]http.Handler {
	entries, err := files.ReadDir("page")
	if err != nil {
		panic(err) // it is embedded
	}
	routes := map[string]http.Handler{}
	for _, entry := range entries {
		content, err := files.ReadFile(path.Join("page", entry.Name()))
		if err != nil {
			panic(err)
		}
		file := file{entry.Name(), content}
		if file.name == "index.html" {
			routes[""] = reads(index{file})
			continue
		}
		routes[file.name] = reads(file)
	}
	return routes
}

// file is a file of the page.
type file struct {
	name    string
	content []byte
}

func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	setHeaders(w)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.content))
}

// index is the page itself. Its links are relative, so its path has to end with a slash.
type index struct{ file }

func (i index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked, err := url.ParseRequestURI(r.RequestURI)
	if err == nil && asked.Path != "" && !strings.HasSuffix(asked.Path, "/") {
		// Relative, so that it is right behind a proxy that cuts a prefix off.
		w.Header().Set("Location", "./"+url.PathEscape(path.Base(asked.Path))+"/")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	i.file.ServeHTTP(w, r)
}
