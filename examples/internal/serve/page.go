package serve

import (
	"io/fs"
	"net/http"
)

// policy lets a page use only what comes from its own server, and no script or
// style that is in the HTML itself.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; " +
	"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page serves the files of an example's page under a strict Content Security
// Policy.
func Page(files fs.FS) http.Handler { return Strict(http.FileServerFS(files)) }

// Strict serves what next serves under a strict Content Security Policy.
func Strict(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-cache")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
