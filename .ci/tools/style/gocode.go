package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// A page of the documentation, as comments name it.
var pageName = regexp.MustCompile(`\bdocs/[\w./-]+\.md\b`)

// checkGo returns the findings in the comments of a Go file, and in its size.
func checkGo(root fs.FS, name string) ([]finding, error) {
	code, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, code, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	prose := make([]byte, len(code))
	copy(prose, code)
	end := 0
	for _, group := range file.Comments {
		for _, c := range group.List {
			from, to := fset.Position(c.Pos()).Offset, fset.Position(c.End()).Offset
			blank(prose, end, from)
			blankMarkers(prose[from:to])
			end = to
		}
	}
	blank(prose, end, len(prose))
	found := phrasesIn(string(prose), name, goCode, inGo)
	begins := newLines(string(prose))
	for _, at := range pageName.FindAllIndex(prose, -1) {
		page := string(prose[at[0]:at[1]])
		if _, err := fs.Stat(root, path.Clean(page)); err != nil {
			found = append(found, finding{
				entry{goCode, "dead link"},
				fmt.Sprintf("%s:%d", name, begins.number(at[0])),
				"there is no " + page,
			})
		}
	}
	if size := len(begins) - 1; size > maxFile && !strings.HasSuffix(name, "_test.go") {
		found = append(found, finding{
			entry{goCode, "long file"},
			fmt.Sprintf("%s:%d", name, size),
			fmt.Sprintf("%d lines, and at most %d are allowed: split it, one noun a file", size, maxFile),
		})
	}
	return found, nil
}

// blankMarkers leaves of a comment its prose: directives (//go:build), examples of code,
// which are indented, and the slashes themselves go. The slashes become spaces, so that
// a phrase may run over two lines.
func blankMarkers(comment []byte) {
	text, isLine := strings.CutPrefix(string(comment), "//")
	switch {
	case !isLine:
		comment[0], comment[1] = '~', '~'
	case text != "" && text[0] != ' ' && text[0] != '\t', strings.HasPrefix(text, "\t"), strings.HasPrefix(text, "    "):
		blank(comment, 0, len(comment))
	default:
		comment[0], comment[1] = ' ', ' '
	}
}
