package main

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// maxFile is how many lines a Go file may have that is no test.
const maxFile = 350

// check returns all findings in the Markdown and Go files of a repository, by path and line.
func check(root fs.FS) ([]finding, error) {
	pages := map[string]*page{} // the Markdown, by path
	var found []finding
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && isIgnored(name):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		switch path.Ext(name) {
		case ".md":
			text, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			pages[name] = parsePage(name, string(text))
			found = append(found, pages[name].problems()...)
		case ".go":
			inCode, err := checkGo(root, name)
			if err != nil {
				return err
			}
			found = append(found, inCode...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		found = append(found, p.deadLinks(root, pages)...)
	}
	sortByPlace(found)
	return found, nil
}

// isIgnored reports whether a directory is skipped: what was installed, and what
// is hidden, but for GitHub's pages and our own tools.
func isIgnored(name string) bool {
	base := path.Base(name)
	switch {
	case name == "." || name == ".ci" || name == ".github":
		return false
	case base == "node_modules" || base == "testdata":
		return true
	}
	return strings.HasPrefix(base, ".")
}

// phrasesIn returns the phrases of a text that we don't use. The text has as many bytes
// and lines as the file that it is of; what isn't prose in it is blanked.
func phrasesIn(text, name string, file string, only medium) []finding {
	var found []finding
	lines := newLines(text)
	for _, p := range phrases {
		if p.only != everywhere && p.only != only || p.isAllowedIn(name) {
			continue
		}
		for _, at := range p.in(text) {
			phrase := strings.Join(strings.Fields(text[at[0]:at[1]]), " ")
			found = append(found, finding{
				entry{file, p.name},
				fmt.Sprintf("%s:%d", name, lines.number(at[0])),
				fmt.Sprintf("%q: write %s", phrase, p.better),
			})
		}
	}
	return found
}
