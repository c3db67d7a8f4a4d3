// Command mutate makes small mistakes in packages, one at a time and in copies that
// only the compiler sees, and tells which of them no test finds. Where mistakes can be
// made, it takes from the syntax tree.
//
//	go run ./mutate [-n 100] [-seed 1] [-only regexp] [-own] [-list] PACKAGE…
//
// A package is a directory of the main module, such as push. Whose tests run is in
// the table of this command. The same seed gives the same mutants.
package main

import (
	"context"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

type options struct {
	n     int
	seed  uint64
	only  *regexp.Regexp
	list  bool
	least int
	own   bool
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 100, "how many mutants of each package are tried, of those that compile; 0 is all")
	flag.Uint64Var(&o.seed, "seed", 1, "which are drawn")
	only := flag.String("only", "", "only mutants that are described by this expression")
	flag.BoolVar(&o.list, "list", false, "only list the mutants")
	flag.IntVar(&o.least, "least", 0, "fail if less than this share of mutants is found, in percent")
	flag.BoolVar(&o.own, "own", false, "run only the tests of the package itself")
	flag.Parse()
	o.only = regexp.MustCompile(*only)
	if err := run(o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options, packages []string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, p := range packages {
		mutants, err := mutantsOf(root, p, o)
		if err != nil {
			return err
		}
		if o.list {
			for _, m := range mutants {
				fmt.Println(m)
			}
			continue
		}
		b := &bench{root: root, dir: dir, of: p, tests: testsOf(p, o.own)}
		if err := b.measure(); err != nil {
			return err
		}
		t, err := b.tryAll(mutants, o.n)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s: %s\n", p, t)
		if t.share() < o.least {
			return fmt.Errorf("%s: tests find %d %% of the mutants, not %d", p, t.share(), o.least)
		}
	}
	return nil
}

// mutantsOf returns the mutants of a package in the order in which they are to be tried.
func mutantsOf(root, of string, o options) ([]*mutant, error) {
	list := exec.CommandContext(context.Background(), "go", "list", "-f", `{{join .GoFiles "\n"}}`, "./"+of) //nolint:gosec // whoever calls names it
	list.Dir = root
	list.Stderr = os.Stderr
	names, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", of, err)
	}
	var mutants []*mutant
	for name := range strings.FieldsSeq(string(names)) {
		path := filepath.Join(of, name)
		text, err := os.ReadFile(filepath.Join(root, path)) //nolint:gosec // a file of the module
		if err != nil {
			return nil, err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, m := range find(fset, path, text, file) {
			if o.only.MatchString(m.String()) {
				mutants = append(mutants, m)
			}
		}
	}
	random := rand.New(rand.NewPCG(o.seed, 0))
	random.Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
	return mutants, nil
}

// moduleRoot is the directory of the main module: the one of this command is two below it.
func moduleRoot() (string, error) {
	out, err := exec.CommandContext(context.Background(), "go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(strings.TrimSpace(string(out))))), nil
}
