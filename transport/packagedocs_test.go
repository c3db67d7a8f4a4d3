package transport_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPackageDocsLinkToWhatExists: a link in a comment that leads nowhere is shown in
// brackets by go doc, so a name that was moved or renamed shows. A Go file that a package
// comment names is one of the package's.
func TestPackageDocsLinkToWhatExists(t *testing.T) {
	goFile := regexp.MustCompile(`(?:^|\s)([a-z_]+\.go)\b`)
	links := 0
	for folder := range declarations() {
		p := packageDoc(t, folder)
		for _, text := range commentsOf(p) {
			found, dead := linksIn(p.Parser().Parse(text))
			links += found
			if len(dead) > 0 {
				t.Errorf("%s: a comment links to %s, which doesn't exist", folder, strings.Join(dead, ", "))
			}
		}
		for _, file := range goFile.FindAllStringSubmatch(p.Doc, -1) {
			if _, err := os.Stat(filepath.Join(folder, file[1])); err != nil {
				t.Errorf("%s: the package has no %s", folder, file[1])
			}
		}
	}
	if links < 100 {
		t.Errorf("there are only %d links", links)
	}
}

func packageDoc(t *testing.T, folder string) *doc.Package {
	t.Helper()
	paths, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	set := token.NewFileSet()
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	p, err := doc.NewFromFiles(set, files, folder, doc.AllDecls)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// commentsOf are the comments of a package and of what it declares.
func commentsOf(p *doc.Package) []string {
	all := []string{p.Doc}
	values := func(values []*doc.Value) {
		for _, v := range values {
			all = append(all, v.Doc)
		}
	}
	functions := func(functions []*doc.Func) {
		for _, f := range functions {
			all = append(all, f.Doc)
		}
	}
	values(p.Consts)
	values(p.Vars)
	functions(p.Funcs)
	for _, typ := range p.Types {
		all = append(all, typ.Doc)
		values(typ.Consts)
		values(typ.Vars)
		functions(typ.Funcs)
		functions(typ.Methods)
	}
	return all
}

var deadLink = regexp.MustCompile(`\[\*?(?:[a-z]\w*\.)?[A-Z]\w*(?:\.\w+)?\]`)

// linksIn counts the links of a comment to declarations, and returns those that are left
// as they were written, since they lead nowhere.
func linksIn(d *comment.Doc) (found int, dead []string) {
	text := func(parts []comment.Text) {
		for _, part := range parts {
			switch part := part.(type) {
			case comment.Plain:
				dead = slices.Concat(dead, deadLink.FindAllString(string(part), -1))
			case *comment.DocLink:
				found++
			}
		}
	}
	var blocks func(parts []comment.Block)
	blocks = func(parts []comment.Block) {
		for _, part := range parts {
			switch part := part.(type) {
			case *comment.Heading:
				text(part.Text)
			case *comment.Paragraph:
				text(part.Text)
			case *comment.List:
				for _, item := range part.Items {
					blocks(item.Content)
				}
			}
		}
	}
	blocks(d.Content)
	return found, dead
}
