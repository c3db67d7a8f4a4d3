package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// mutant is one change of a file, which its syntax tree suggests.
type mutant struct {
	file     string // its path
	function string // in which it is
	place    token.Position
	change   string // in words
	from, to int    // what is replaced, as offsets in the file
	by       string
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d in %s: %s", m.file, m.place.Line, m.place.Column, m.function, m.change)
}

// apply returns the file's text with the change.
func (m *mutant) apply(text []byte) []byte {
	return bytes.Join([][]byte{text[:m.from], text[m.to:]}, []byte(m.by))
}

// diff shows the lines that change.
func (m *mutant) diff(text []byte) string {
	begin := bytes.LastIndexByte(text[:m.from], '\n') + 1
	end := len(text)
	if n := bytes.IndexByte(text[m.to:], '\n'); n >= 0 {
		end = m.to + n
	}
	changed := string(text[begin:m.from]) + m.by + string(text[m.to:end])
	return marked("-", string(text[begin:end])) + marked("+", changed)
}

func marked(mark, lines string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(lines, "\n") {
		fmt.Fprintf(&b, "    %s %s\n", mark, line)
	}
	return b.String()
}

// finder finds the mutants of a file.
type finder struct {
	fset     *token.FileSet
	file     string
	text     []byte
	function *ast.FuncType // the innermost, literals included
	name     string        // of the declared function
	found    []*mutant
}

// find returns all mutants of a file, in the order of their places.
func find(fset *token.FileSet, path string, text []byte, file *ast.File) []*mutant {
	f := &finder{fset: fset, file: path, text: text}
	for _, d := range file.Decls {
		if function, ok := d.(*ast.FuncDecl); ok && function.Body != nil {
			f.name = nameOf(function)
			f.walk(function.Body, function.Type)
		}
	}
	return f.found
}

func nameOf(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	receiver := d.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + d.Name.Name
	}
	return d.Name.Name
}

func (f *finder) walk(body ast.Node, function *ast.FuncType) {
	outer := f.function
	f.function = function
	defer func() { f.function = outer }()
	ast.Inspect(body, func(n ast.Node) bool {
		if literal, ok := n.(*ast.FuncLit); ok {
			f.walk(literal.Body, literal.Type)
			return false
		}
		f.statement(n)
		f.expression(n)
		return true
	})
}

func (f *finder) offset(p token.Pos) int { return f.fset.Position(p).Offset }

func (f *finder) source(n ast.Node) string {
	return string(f.text[f.offset(n.Pos()):f.offset(n.End())])
}

// replace notes a mutant that replaces the text between two places.
func (f *finder) replace(from, to token.Pos, by, change string) {
	f.found = append(f.found, &mutant{
		file: f.file, function: f.name, place: f.fset.Position(from), change: change,
		from: f.offset(from), to: f.offset(to), by: by,
	})
}

func (f *finder) replaceNode(n ast.Node, by, change string) { f.replace(n.Pos(), n.End(), by, change) }

// replaceToken replaces an operator.
func (f *finder) replaceToken(at token.Pos, old, by token.Token) {
	f.replace(at, at+token.Pos(len(old.String())), by.String(), fmt.Sprintf("%s becomes %s", old, by))
}
