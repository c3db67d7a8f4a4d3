// Command api writes down what the packages of this module export, so that a change of it is seen in review:
//
//	go run ./api [-update] [DIRECTORY]
//
// The directory is the top of the repository, by default two above the current one. Without -update it fails if the
// file at docs/internals/api.txt says something else than the code. Packages that nobody else can import, and the
// examples, are no part of it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// listed is where the API is written down, from the top of the repository.
const listed = "docs/internals/api.txt"

func main() {
	update := flag.Bool("update", false, "write the file")
	flag.Parse()
	top := filepath.Join("..", "..")
	if flag.NArg() > 0 {
		top = flag.Arg(0)
	}
	if err := run(top, *update); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(top string, update bool) error {
	var now bytes.Buffer
	if err := write(&now, top); err != nil {
		return err
	}
	file := filepath.Join(top, filepath.FromSlash(listed))
	if update {
		return os.WriteFile(file, now.Bytes(), 0o600)
	}
	then, err := os.ReadFile(file) //nolint:gosec // the one that the caller named
	if err != nil {
		return err
	}
	if changes := difference(string(then), now.String()); len(changes) > 0 {
		return errors.New(strings.Join(changes, "\n") + "\n" + listed + " says otherwise: if the change is meant, run make api, and tell users in docs/CHANGELOG.md")
	}
	return nil
}

// difference returns the lines that are only in one of two texts.
func difference(before, after string) (changes []string) {
	count := map[string]int{}
	for line := range strings.Lines(after) {
		count[line]++
	}
	for line := range strings.Lines(before) {
		if count[line]--; count[line] < 0 {
			changes = append(changes, "- "+strings.TrimSpace(line))
		}
	}
	for line := range strings.Lines(after) {
		if count[line]--; count[line] >= 0 {
			changes = append(changes, "+ "+strings.TrimSpace(line))
		}
	}
	return changes
}
