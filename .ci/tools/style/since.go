package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// Where a hunk of a diff adds lines: the first of them and, unless it is one, how many.
var hunk = regexp.MustCompile(`^@@ -\S+ \+(\d+)(?:,(\d+))? @@`)

// newSince returns the places, "path:line", of all lines of a repository that a commit
// lacks. Git doesn't know files that were never added to it.
func newSince(top, commit string) (map[string]bool, error) {
	git := exec.CommandContext(context.Background(), //nolint:gosec // a commit that the caller names
		"git", "-C", top, "diff", "--unified=0", "--find-renames", "--no-color", "--no-ext-diff", "--no-prefix", commit, "--")
	var said bytes.Buffer
	git.Stderr = &said
	diff, err := git.Output()
	if err != nil {
		return nil, fmt.Errorf("git diff %s: %w: %s", commit, err, bytes.TrimSpace(said.Bytes()))
	}
	places := map[string]bool{}
	file := ""
	lines := bufio.NewScanner(bytes.NewReader(diff))
	lines.Buffer(nil, len(diff)+1)
	for lines.Scan() {
		if name, isFile := bytes.CutPrefix(lines.Bytes(), []byte("+++ ")); isFile {
			file = string(name)
			continue
		}
		at := hunk.FindSubmatch(lines.Bytes())
		if at == nil {
			continue
		}
		first, _ := strconv.Atoi(string(at[1]))
		size := 1
		if len(at[2]) > 0 {
			size, _ = strconv.Atoi(string(at[2]))
		}
		for line := first; line < first+size; line++ {
			places[fmt.Sprintf("%s:%d", file, line)] = true
		}
	}
	return places, lines.Err()
}
