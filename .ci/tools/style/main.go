// Command style checks those rules of docs/STYLE.md that a program can check: phrases
// to avoid, links in Markdown that lead nowhere, lines and files that are too long. It
// reads all Markdown, and the comments of all Go code.
//
//	go run ./style [-update] [-since COMMIT] [DIRECTORY]
//
// The directory is the top of the repository, by default two above the current one.
//
// Text that is older than a rule is listed in a baseline, which may only shrink: a
// finding that isn't listed is an error, and so is an entry that is no longer found.
// -update removes such entries, and never adds one. An entry is a Markdown file, a rule
// and how often the file breaks it. All Go code counts as one file, so that it can move.
// What breaks a rule once more than listed is shown with all that breaks it; -since main
// shows only new lines.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// baselinePath is where the baseline is, from the top of the repository.
const baselinePath = ".ci/tools/style/baseline.txt"

// maxShown is how many findings of one entry are shown.
const maxShown = 30

func main() {
	update := flag.Bool("update", false, "remove from the baseline what is no longer found")
	since := flag.String("since", "", "show only findings in lines that this commit lacks")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: style [-update] [-since COMMIT] [DIRECTORY]")
		flag.PrintDefaults()
	}
	flag.Parse()
	top := filepath.Join("..", "..")
	switch flag.NArg() {
	case 0:
	case 1:
		top = flag.Arg(0)
	default:
		flag.Usage()
		os.Exit(2)
	}
	ok, err := run(os.Stderr, top, *update, *since)
	if err != nil {
		fmt.Fprintln(os.Stderr, "style:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run checks the repository at top, writes what is wrong to w, and reports whether
// nothing is. With update it shrinks the baseline first; without a baseline, update
// writes one with everything that is found. With since, a commit, it shows only findings
// in lines that are new.
func run(w io.Writer, top string, update bool, since string) (ok bool, err error) {
	root := os.DirFS(top)
	found, err := check(root)
	if err != nil {
		return false, err
	}
	text, err := fs.ReadFile(root, baselinePath)
	var known baseline
	switch {
	case errors.Is(err, fs.ErrNotExist) && update:
		known = count(found)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	default:
		if known, err = parseBaseline(bytes.NewReader(text)); err != nil {
			return false, err
		}
	}
	if update {
		known = known.shrunk(count(found))
		file := filepath.Join(top, filepath.FromSlash(baselinePath))
		if err := os.WriteFile(file, known.format(), 0o600); err != nil {
			return false, err
		}
	}
	isShown := func(finding) bool { return true }
	if since != "" {
		places, err := newSince(top, since)
		if err != nil {
			return false, err
		}
		isShown = func(f finding) bool { return places[f.at] }
	}
	return report(w, found, known, isShown), nil
}

// report writes each place where the repository and its baseline differ, if it is shown,
// and reports whether there is none.
func report(w io.Writer, found []finding, known baseline, isShown func(finding) bool) bool {
	now := count(found)
	added, stale := false, false
	for _, e := range now.sorted() {
		if now[e] <= known[e] {
			continue
		}
		added = true
		shown := 0
		for _, f := range found {
			if f.entry == e && isShown(f) && shown < maxShown {
				fmt.Fprintln(w, f)
				shown++
			}
		}
		if shown < now[e] {
			fmt.Fprintf(w, "… and %d more; -since main shows those in new lines\n", now[e]-shown)
		}
		if known[e] > 0 {
			fmt.Fprintf(w, "%s: %d times %q, and %d in the baseline\n", e.file, now[e], e.rule, known[e])
		}
	}
	for _, e := range known.sorted() {
		if now[e] < known[e] {
			stale = true
			fmt.Fprintf(w, "%s: %d times %q, and %d in the baseline\n", e.file, now[e], e.rule, known[e])
		}
	}
	if added {
		fmt.Fprintln(w, "docs/STYLE.md says how we write; the list of phrases is in .ci/tools/style/phrases.go")
	}
	if stale {
		fmt.Fprintln(w, "the baseline may shrink: go -C .ci/tools run ./style -update")
	}
	return !added && !stale
}
