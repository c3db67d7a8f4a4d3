// Command clocks finds tests that depend on how fast the machine is: those that sleep,
// or measure how long something took, by a real clock.
//
//	go run ./clocks DIRECTORY
//
// In virtual time (testing/synctest) both are exact, and allowed. Elsewhere tests wait
// for events and conditions. A helper that is only called in virtual time, and the rare
// test that can't do without a real clock, say so in a comment on the line (a file of
// such helpers above its package clause):
//
//	time.Sleep(pause) //clock:virtual
//	time.Sleep(pause) //clock:real an attacker takes its time; nothing is measured
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// forbidden are the functions of package time that tests have to do without.
var forbidden = map[string]bool{"Sleep": true, "Since": true, "Until": true, "After": true, "Tick": true}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clocks DIRECTORY")
		os.Exit(2)
	}
	found, err := look(os.DirFS(os.Args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, f := range found {
		fmt.Fprintln(os.Stderr, f)
	}
	if len(found) > 0 {
		fmt.Fprintln(os.Stderr, "tests wait for events, or run in virtual time; what can't says so (see .ci/tools/clocks)")
		os.Exit(1)
	}
}

// look returns the places in all test files below a directory, hidden ones aside.
func look(root fs.FS) ([]string, error) {
	packages := map[string][]string{} // the test files of each directory
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if isTest(path) {
			packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, paths := range packages {
		inPackage, err := lookAt(root, paths)
		if err != nil {
			return nil, err
		}
		found = append(found, inPackage...)
	}
	return found, nil
}

// isTest reports whether a file is a test, or of a suite that tests call.
func isTest(path string) bool {
	if strings.HasSuffix(path, "_test.go") {
		return true
	}
	return strings.HasSuffix(path, ".go") && strings.HasSuffix(filepath.Dir(path), "test")
}

func lookAt(root fs.FS, paths []string) ([]string, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	bubbles := bubblesIn(files)
	var found []string
	for _, file := range files {
		excused := excusedLines(fset, file)
		for _, d := range file.Decls {
			if function, ok := d.(*ast.FuncDecl); ok && isVirtual(function, bubbles) {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				at := fset.Position(call.Pos())
				if name := called(call, "time"); forbidden[name] && !excused[at.Line] {
					found = append(found, fmt.Sprintf("%s:%d: time.%s", at.Filename, at.Line, name))
				}
				return true
			})
		}
	}
	return found, nil
}

// bubblesIn returns the functions that run their callers' functions in virtual time.
func bubblesIn(files []*ast.File) map[string]bool {
	bubbles := map[string]bool{}
	for _, file := range files {
		for _, d := range file.Decls {
			if function, ok := d.(*ast.FuncDecl); ok && isVirtual(function, nil) {
				bubbles[function.Name.Name] = true
			}
		}
	}
	return bubbles
}

// isVirtual reports whether a function begins virtual time, by itself or with one of
// the functions that do.
func isVirtual(function *ast.FuncDecl, bubbles map[string]bool) bool {
	virtual := false
	ast.Inspect(function, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name, _ := call.Fun.(*ast.Ident)
			virtual = virtual || called(call, "synctest") == "Test" || name != nil && bubbles[name.Name]
		}
		return !virtual
	})
	return virtual
}

// called returns the name of the function of a package that is called, if it is one of it.
func called(call *ast.CallExpr, of string) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if name, ok := selector.X.(*ast.Ident); !ok || name.Name != of {
		return ""
	}
	return selector.Sel.Name
}

// excusedLines are those with a comment that says which clock it is, and if it is a real
// one, why.
func excusedLines(fset *token.FileSet, file *ast.File) map[int]bool {
	lines := map[int]bool{}
	excuse := func(c *ast.Comment) {
		first := fset.Position(c.Pos()).Line
		last := first
		if c.Pos() < file.Package {
			last = fset.Position(file.End()).Line
		}
		for line := first; line <= last; line++ {
			lines[line] = true
		}
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			why, isReal := strings.CutPrefix(c.Text, "//clock:real ")
			if isReal && strings.TrimSpace(why) != "" || strings.HasPrefix(c.Text, "//clock:virtual") {
				excuse(c)
			}
		}
	}
	return lines
}
