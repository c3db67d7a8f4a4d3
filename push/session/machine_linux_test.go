package session

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/tidewire/tidewire/push"
)

// TestMemoryOfAControlGroup: the least limit counts of the process' group and of those
// above it; where a container shows only its own root, that one's.
func TestMemoryOfAControlGroup(t *testing.T) {
	const most = 1 << 40
	tests := map[string]struct {
		groups string
		files  map[string]string
		want   int64
	}{
		"none":              {"0::/\n", nil, most},
		"no limit":          {"0::/a\n", map[string]string{"a/memory.max": "max\n"}, most},
		"its own":           {"0::/a/b\n", map[string]string{"a/b/memory.max": "1000\n"}, 1000},
		"that of one above": {"0::/a/b\n", map[string]string{"a/b/memory.max": "2000\n", "a/memory.max": "1000\n"}, 1000},
		"in a container":    {"0::/elsewhere\n", map[string]string{"memory.max": "1000\n"}, 1000},
		"version 1": {"5:cpu:/c\n4:memory:/a\n", map[string]string{
			"memory/a/memory.limit_in_bytes": "1000\n", "memory/c/memory.limit_in_bytes": "1\n"}, 1000},
		"more than there is": {"0::/\n", map[string]string{"memory.max": "9223372036854771712\n"}, most},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range test.files {
				file = filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := groupMemory(root, test.groups, most); got != test.want {
				t.Errorf("%d", got)
			}
		})
	}
}

// TestMemoryLimits: by default a quarter of GOMEMLIMIT, or of what there is; zero, negative
// and set.
func TestMemoryLimits(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	debug.SetMemoryLimit(400 << 30) // nothing is collected sooner for it
	for given, want := range map[int64]int64{0: 100 << 30, -1: math.MaxInt64, 1000: 1000} {
		if got := defaults(push.Limits{Memory: given}).Memory; got != want {
			t.Errorf("%d became %d", given, got)
		}
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if got, machine := defaults(push.Limits{}).Memory, machineMemory(); got != machine/4 || got < 16<<20 {
		t.Errorf("%d of %d bytes", got, machine)
	}
}
