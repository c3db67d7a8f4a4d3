package transport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestPathOfAMessageIsInTheCode follows docs/architecture.md through the code: each step
// of a message's path names a package, and every name in code font is declared there, or
// in the package that it begins with.
func TestPathOfAMessageIsInTheCode(t *testing.T) {
	_, path, _ := strings.Cut(read(t, "../docs/architecture.md"), "\n## The path of a message\n")
	path, _, _ = strings.Cut(path, "\n## ")
	found, unknown := namesOnPath(path)
	if len(unknown) > 0 {
		t.Errorf("docs/architecture.md, the path of a message: the code has no %s", strings.Join(unknown, ", "))
	}
	for _, link := range []string{"push.Hub.Publish", "session.feed.Receive", "session.shard.run", "session.TryWriter.TryWrite", "ws.conn.TryWrite"} {
		if !slices.Contains(found, link) {
			t.Errorf("the path doesn't lead through %s", link)
		}
	}
	rest := steps.ReplaceAllString(path, "")
	checkNames(t, rest)
	for _, span := range codeSpan.FindAllStringSubmatch(rest, -1) {
		if !strings.HasPrefix(span[1], "Test") {
			t.Errorf("%s is outside of the steps, so nothing says in which package it is", span[1])
		}
	}
	// A name that has changed is noticed.
	for _, name := range found {
		_, declared, _ := strings.Cut(name, ".")
		if _, unknown := namesOnPath(strings.ReplaceAll(path, declared+"`", declared+"Renamed`")); len(unknown) == 0 {
			t.Errorf("nobody would notice if %s had another name", name)
		}
	}
}

// TestArchitectureNamesWhatExists: outside of the path it is enough that some package has
// a name with a dot.
func TestArchitectureNamesWhatExists(t *testing.T) {
	others := []string{"http.", "prometheus."}
	files := []string{".go", ".md", ".ts", ".mjs", ".sum"}
	for _, span := range codeSpan.FindAllStringSubmatch(read(t, "../docs/architecture.md"), -1) {
		name := span[1]
		qualifier, local, dotted := strings.Cut(name, ".")
		skipped := slices.ContainsFunc(others, func(p string) bool { return strings.HasPrefix(name, p) }) || slices.Contains(files, filepath.Ext(name))
		if !dotted || skipped {
			continue
		}
		known := slices.ContainsFunc(slices.Collect(maps.Values(declarations())), func(all map[string]bool) bool { return all[name] })
		if !known && !declarations()[folders()[qualifier]][local] {
			t.Errorf("docs/architecture.md: the code has no %s", name)
		}
	}
}

var (
	// steps are the items of a list that begin with a package.
	steps = regexp.MustCompile("(?m)^\\d+\\. \\*\\*`([a-z/]+)`\\*\\*:.*\n(?:   .*\n)*")
	// codeSpan is a name in code font.
	codeSpan = regexp.MustCompile("`(\\w+(?:\\.\\w+)*)`")
)

// namesOnPath returns the names in the steps of a path, each with its package, and those
// that aren't declared.
func namesOnPath(path string) (found, unknown []string) {
	for _, step := range steps.FindAllStringSubmatch(path, -1) {
		for _, span := range codeSpan.FindAllStringSubmatch(step[0][strings.Index(step[0], "`**")+1:], -1) {
			folder, name := "../"+step[1], span[1]
			if qualifier, local, ok := strings.Cut(name, "."); ok && folders()[qualifier] != "" && !declarations()[folder][qualifier] {
				folder, name = folders()[qualifier], local
			}
			name = filepath.Base(folder) + "." + name
			found = append(found, name)
			if _, local, _ := strings.Cut(name, "."); !declarations()[folder][local] {
				unknown = append(unknown, name)
			}
		}
	}
	return found, unknown
}

// folders are the folders of packages, by the last element of their paths.
var folders = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for folder := range declarations() {
		all[filepath.Base(folder)] = folder
	}
	return all
})

// declarations are the names that each package declares outside of its tests, by its
// folder: types, functions, variables and constants, and with their type methods and fields.
var declarations = sync.OnceValue(func() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	walkGo(func(path string) error {
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if all[folder] == nil {
			all[folder] = map[string]bool{}
		}
		for _, d := range file.Decls {
			declare(all[folder], d)
		}
		return nil
	})
	return all
})

func declare(names map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		prefix := ""
		if d.Recv != nil {
			prefix = typeName(d.Recv.List[0].Type) + "."
		}
		names[prefix+d.Name.Name] = true
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names[n.Name] = true
				}
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				for _, member := range members(s.Type) {
					names[s.Name.Name+"."+member] = true
				}
			}
		}
	}
}

// members are the names of a struct's fields or an interface's methods.
func members(t ast.Expr) (names []string) {
	var fields *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		fields = t.Fields
	case *ast.InterfaceType:
		fields = t.Methods
	default:
		return nil
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			names = append(names, n.Name)
		}
	}
	return names
}

// typeName is the name of a receiver's type.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.Ident:
		return t.Name
	default:
		return ""
	}
}
