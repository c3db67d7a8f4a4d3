package middlewares

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"
)

// inNoRow are the functions of chi's middleware package that aren't in the table, with the
// reason.
var inNoRow = map[string]string{
	"New":                   "it ends the chain: nothing is below it",
	"Profiler":              "it is a handler",
	"NewCompressor":         "Compress is its handler",
	"NewWrapResponseWriter": "it is a writer; Logger and Tee have it",
	"NewPattern":            "it is a part of RouteHeaders",
	"GetLogEntry":           "it reads a request", "WithLogEntry": "it changes a request",
	"GetClientIP": "it reads a context", "GetClientIPAddr": "it reads a context", "GetReqID": "it reads a context",
	"NextRequestID": "it counts", "PrintPrettyStack": "it prints",
}

// TestTableHasAllOfChi: each function of chi's middleware package is in the table, or says why
// it isn't.
func TestTableHasAllOfChi(t *testing.T) {
	chi, err := build.Import("github.com/go-chi/chi/v5/middleware", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := parser.ParseDir(token.NewFileSet(), chi.Dir, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // one package
	if err != nil {
		t.Fatal(err)
	}
	var names strings.Builder
	for _, r := range chis() {
		names.WriteString(r.name)
	}
	found := 0
	for _, file := range packages["middleware"].Files {
		for _, declaration := range file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() {
				continue
			}
			found++
			name := f.Name.Name
			inRow := strings.Contains(names.String(), "`"+name+"`") || strings.Contains(names.String(), "`"+name+"(")
			if _, exempt := inNoRow[name]; inRow == exempt {
				t.Errorf("%s: in a row %v, exempt %v", name, inRow, exempt)
			}
		}
	}
	if found < 40 {
		t.Errorf("found %d functions", found)
	}
}
