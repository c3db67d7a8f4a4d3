package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// patch replaces a text of a file, which must stand there exactly once.
type patch struct {
	file     string // from the module's root
	old, new string
}

// apply gives a file's text with the patch.
func (p patch) apply(text string) (string, error) {
	if n := strings.Count(text, p.old); n != 1 {
		return "", fmt.Errorf("%s has this %d times, not once:\n%s", p.file, n, p.old)
	}
	return strings.Replace(text, p.old, p.new, 1), nil
}

// patched gives the texts of the files that patches change.
func patched(root string, patches []patch) (map[string]string, error) {
	texts := map[string]string{}
	for _, p := range patches {
		path := filepath.Join(root, p.file)
		if _, ok := texts[path]; !ok {
			text, err := os.ReadFile(path) //nolint:gosec // the table names it
			if err != nil {
				return nil, err
			}
			texts[path] = string(text)
		}
		text, err := p.apply(texts[path])
		if err != nil {
			return nil, err
		}
		texts[path] = text
	}
	return texts, nil
}

// overlay writes what go build takes in place of the files.
func (b bench) overlay(patches []patch) (string, error) {
	texts, err := patched(b.root, patches)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, text := range texts {
		copied := filepath.Join(b.dir, fmt.Sprint(len(replace), ".go"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[path] = copied
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(b.dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o600)
}
