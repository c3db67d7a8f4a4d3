package main

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "copy the libraries from js-client/node_modules")

// TestLibrariesAreThoseOfTheLockFile keeps page/lib what js-client/package-lock.json names. The
// folder isn't called vendor, since the go command leaves folders of that name out of modules.
func TestLibrariesAreThoseOfTheLockFile(t *testing.T) {
	modules := filepath.Join("..", "..", "js-client", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "htmx.org")); errors.Is(err, fs.ErrNotExist) && !*update {
		t.Skip("js-client/node_modules isn't installed")
	}
	for copied, original := range map[string]string{
		"htmx.min.js":  "htmx.org/dist/htmx.min.js",
		"htmx.LICENSE": "htmx.org/LICENSE",
		"sse.min.js":   "htmx-ext-sse/dist/sse.min.js",
		"sse.LICENSE":  "htmx-ext-sse/LICENSE",
	} {
		copied = filepath.Join("page", "lib", copied)
		want, err := os.ReadFile(filepath.Join(modules, original))
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(copied, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s isn't %s of js-client/node_modules (%v); run make build-js", copied, original, err)
		}
	}
}
