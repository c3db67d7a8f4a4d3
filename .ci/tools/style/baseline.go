package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// goCode is the file under which findings in Go code are counted, whatever its path.
const goCode = "*.go"

// An entry is a rule that a file breaks.
type entry struct{ file, rule string }

// A finding is one place where a rule is broken.
type finding struct {
	entry
	at      string // "path:line"
	message string
}

func (f finding) String() string { return f.at + ": " + f.message }

// A baseline says how often each entry is found.
type baseline map[entry]int

func count(found []finding) baseline {
	b := baseline{}
	for _, f := range found {
		b[f.entry]++
	}
	return b
}

// parseBaseline reads lines of file, rule and count, with tabs between them. Empty lines
// and those that begin with # are ignored.
func parseBaseline(r io.Reader) (baseline, error) {
	b := baseline{}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			return nil, fmt.Errorf("baseline, line %d: %q isn't file, rule and count with tabs between them", number, line)
		}
		n, err := strconv.Atoi(fields[2])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("baseline, line %d: %q isn't a count", number, fields[2])
		}
		b[entry{fields[0], fields[1]}] = n
	}
	return b, lines.Err()
}

func (b baseline) format() []byte {
	var text bytes.Buffer
	text.WriteString("# What broke docs/STYLE.md before it was written: file, rule, count. It may only shrink:\n")
	text.WriteString("# go -C .ci/tools run ./style -update\n")
	for _, e := range b.sorted() {
		fmt.Fprintf(&text, "%s\t%s\t%d\n", e.file, e.rule, b[e])
	}
	return text.Bytes()
}

// shrunk is b without what is no longer found.
func (b baseline) shrunk(now baseline) baseline {
	less := baseline{}
	for e, n := range b {
		if n = min(n, now[e]); n > 0 {
			less[e] = n
		}
	}
	return less
}

func (b baseline) sorted() []entry {
	entries := make([]entry, 0, len(b))
	for e := range b {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(x, y entry) int {
		if order := strings.Compare(x.file, y.file); order != 0 {
			return order
		}
		return strings.Compare(x.rule, y.rule)
	})
	return entries
}
