package protocol_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// frozen lists the golden files of version 1 and their checksums.
const frozen = "testdata/v1.sum"

// TestGoldenFilesAreFrozen: clients of version 1 are out there. A golden file may be added,
// but what is there stays as it is, since a change would be another version of the
// protocol. With -update new files are added to the list.
func TestGoldenFilesAreFrozen(t *testing.T) {
	list, err := os.ReadFile(frozen)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(list)) {
		sum, file, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("%s has the line %q", frozen, line)
		}
		sums[file] = sum
	}
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(data)
		sum, known := hex.EncodeToString(hash[:]), sums[file]
		delete(sums, file)
		switch {
		case known == "" && *update:
			list = fmt.Appendf(list, "%s  %s\n", sum, file)
		case known == "":
			t.Errorf("%s isn't in %s: run the test with -update", file, frozen)
		case sum != known:
			t.Errorf("%s has changed", file)
		}
	}
	for file := range sums {
		t.Errorf("%s is gone", file)
	}
	if *update {
		if err := os.WriteFile(frozen, list, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
