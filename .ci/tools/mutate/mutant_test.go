package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// parsed returns the mutants of a function's body, and the text that they change.
func parsed(t *testing.T, function string) ([]*mutant, []byte) {
	t.Helper()
	text := []byte("package p\n\n" + function + "\n")
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	return find(fset, "p.go", text, file), text
}

func TestMutants(t *testing.T) {
	tests := []struct {
		name, function string
		want           []string // the line that each mutant gives
	}{
		{"a comparison", "func f() {\n\tif a < b {\n\t}\n}", []string{"if !(a < b) {", "if a <= b {"}},
		{"an equality", "func f() {\n\tif a == b {\n\t}\n}", []string{"if a != b {"}},
		{"a condition of two", "func f() {\n\tfor ok && !done {\n\t}\n}", []string{"for !(ok && !done) {", "for ok || !done {"}},
		{"a case", "func f() {\n\tswitch {\n\tcase ok:\n\t}\n}", []string{"case !(ok):"}},
		{"arithmetic", "func f() int {\n\treturn a + 1\n}", []string{"return 0", "return a - 1", "return a + 2"}},
		{"a call", "func f() {\n\tg()\n}", []string{""}},
		{"a deferred call", "func f() {\n\tdefer g()\n}", []string{""}},
		{"a lock", "func f() {\n\tmu.Lock()\n\tdefer mu.Unlock()\n}", nil},
		{"an assignment", "func f() {\n\ta, b = g()\n}", []string{"_, _ = g()"}},
		{"a definition", "func f() {\n\ta := g()\n}", nil},
		{"a count", "func f() {\n\tn++\n}", []string{"n--", "_ = n"}},
		{"a sum", "func f() {\n\tn += m\n}", []string{"n -= m", "_ = m"}},
		{"an early return", "func f() {\n\treturn\n}", []string{""}},
		{"results", "func f() (bool, error) {\n\treturn ok, err\n}", []string{"return true, err", "return false, err", "return ok, nil"}},
		{"a literal function", "func f() int {\n\tgo func() bool { return ok }()\n}", []string{"go func() bool { return true }()", "go func() bool { return false }()"}},
		{"a truth", "func f() {\n\ta := true\n}", []string{"a := false"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mutants, text := parsed(t, tt.function)
			var got []string
			for _, m := range mutants {
				changed := m.apply(text)
				if _, err := parser.ParseFile(token.NewFileSet(), "p.go", changed, 0); err != nil {
					t.Errorf("%v: %v", m, err)
				}
				lines := strings.Split(string(changed), "\n")
				got = append(got, strings.TrimSpace(lines[m.place.Line-1]))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMutantIsNamed(t *testing.T) {
	mutants, text := parsed(t, "func (s *set[K]) has() bool {\n\treturn s.n > 0\n}")
	if got, want := mutants[2].String(), "p.go:4:13 in set.has: > becomes >="; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := mutants[2].diff(text), "    - \treturn s.n > 0\n    + \treturn s.n >= 0\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := nameOf(&ast.FuncDecl{Name: ast.NewIdent("f")}); got != "f" {
		t.Errorf("%q", got)
	}
}

func TestEachPackageAsksItsOwnTestsFirst(t *testing.T) {
	for of := range tests {
		if own := testsOf(of, true); len(own) == 0 || testsOf(of, false)[0] != own[0] {
			t.Errorf("%s: %v", of, testsOf(of, false))
		}
	}
	if got := testsOf("elsewhere", false); len(got) != 1 || got[0].of != "elsewhere" {
		t.Errorf("%v", got)
	}
}
