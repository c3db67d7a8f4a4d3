package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// write lists what each package exports, a line for each name, field and method.
func write(w io.Writer, top string) error {
	folders, err := packages(top)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		lines, err := exported(filepath.Join(top, folder))
		if err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
		for _, line := range lines {
			fmt.Fprintf(w, "%s: %s\n", filepath.ToSlash(folder), line)
		}
	}
	return nil
}

// packages are the folders of the packages that others import, in order.
func packages(top string) (folders []string, err error) {
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || path == top {
			return err
		}
		folder, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		name := entry.Name()
		if name == "internal" || name == "testdata" || name == "node_modules" || folder == "examples" || strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		if module, err := filepath.Glob(filepath.Join(path, "go.mod")); err != nil || len(module) > 0 {
			return errOr(err, filepath.SkipDir)
		}
		if p, err := build.Default.ImportDir(path, 0); err == nil && p.Name != "main" {
			folders = append(folders, folder)
		}
		return nil
	})
	return folders, err
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func exported(folder string) ([]string, error) {
	found, err := build.Default.ImportDir(folder, 0)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range found.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(folder, name), nil, 0)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, f)
	}
	p, err := doc.NewFromFiles(files, parsed, folder)
	if err != nil {
		return nil, err
	}
	l := &lister{files: files}
	l.values(p.Consts)
	l.values(p.Vars)
	l.functions(p.Funcs)
	for _, t := range p.Types {
		l.values(t.Consts)
		l.values(t.Vars)
		l.functions(t.Funcs)
		l.functions(t.Methods)
		for _, spec := range t.Decl.Specs {
			l.typed(spec.(*ast.TypeSpec))
		}
	}
	slices.Sort(l.lines)
	return l.lines, nil
}

type lister struct {
	files *token.FileSet
	lines []string
}

func (l *lister) add(words ...string) {
	l.lines = append(l.lines, strings.TrimSpace(strings.Join(words, " ")))
}

// text is the source of a node on one line.
func (l *lister) text(node any) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, l.files, node); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (l *lister) values(values []*doc.Value) {
	for _, v := range values {
		for _, spec := range v.Decl.Specs {
			s := spec.(*ast.ValueSpec)
			kind := ""
			if s.Type != nil {
				kind = l.text(s.Type)
			}
			for _, name := range s.Names {
				if name.IsExported() {
					l.add(v.Decl.Tok.String(), name.Name, kind)
				}
			}
		}
	}
}

func (l *lister) functions(functions []*doc.Func) {
	for _, f := range functions {
		f.Decl.Body = nil
		l.add(l.text(f.Decl))
	}
}

func (l *lister) typed(s *ast.TypeSpec) {
	head := "type " + s.Name.Name
	if s.TypeParams != nil {
		head += strings.TrimSuffix(strings.TrimPrefix(l.text(&ast.FuncType{TypeParams: s.TypeParams, Params: &ast.FieldList{}}), "func"), "()")
	}
	switch t := s.Type.(type) {
	case *ast.StructType:
		l.add(head, "struct")
		l.fields(head, "field", t.Fields)
	case *ast.InterfaceType:
		l.add(head, "interface")
		l.fields(head, "method", t.Methods)
	default:
		if s.Assign.IsValid() {
			head += " ="
		}
		l.add(head, l.text(t))
	}
}

func (l *lister) fields(head, kind string, fields *ast.FieldList) {
	for _, f := range fields.List {
		if len(f.Names) == 0 {
			l.add(head, kind, l.text(f.Type))
		}
		for _, name := range f.Names {
			if name.IsExported() {
				l.add(head, kind, name.Name, l.text(f.Type))
			}
		}
	}
}
