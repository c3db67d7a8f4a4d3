// Package testaid has what the tests of all packages share: how they end, and how
// they wait. No program imports it.
package testaid

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Patience is how long a test waits for what must come. It only ends tests that hang,
// so it is far longer than anything takes on a machine that is very busy.
const Patience = 2 * time.Minute

// Eventually waits until a condition holds, and fails the test if it never does.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !wait(condition) {
		t.Fatalf("%s: not within %v", what, Patience)
	}
}

func wait(condition func() bool) bool {
	for deadline := time.Now().Add(Patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Main runs the tests of a package, as its TestMain, and fails if they leave a goroutine
// or an open descriptor behind. It doesn't return.
func Main(m *testing.M, ignored ...goleak.Option) {
	before := descriptors()
	code := m.Run()
	if code == 0 {
		if err := left(before, ignored); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// left tells what tests have left, once it doesn't get less any more.
func left(before map[string]string, ignored []goleak.Option) error {
	var err error
	if wait(func() bool { err = goleak.Find(ignored...); return err == nil }) {
		var opened []string
		if wait(func() bool { opened = since(before); return len(opened) == 0 }) {
			return nil
		}
		err = fmt.Errorf("tests left descriptors open: %s", strings.Join(opened, ", "))
	}
	return err
}

// descriptors gives what is behind each descriptor of this process. It knows nothing
// where there is no /proc.
func descriptors() map[string]string {
	const all = "/proc/self/fd"
	open := map[string]string{}
	entries, err := os.ReadDir(all)
	if err != nil {
		return open
	}
	for _, e := range entries {
		// The descriptor that lists the others is closed by now, and can't be read.
		if target, err := os.Readlink(filepath.Join(all, e.Name())); err == nil && !isRuntimes(target) {
			open[e.Name()] = target
		}
	}
	return open
}

// isRuntimes reports whether Go's runtime may have opened this for itself, which it keeps.
func isRuntimes(target string) bool {
	return strings.HasPrefix(target, "anon_inode:[event") || target == "/dev/null" || strings.HasPrefix(target, "/sys/fs/cgroup/")
}

// since gives what is open and wasn't before.
func since(before map[string]string) []string {
	now := descriptors()
	maps.DeleteFunc(now, func(number, target string) bool { return before[number] == target })
	return slices.Sorted(maps.Values(now))
}
