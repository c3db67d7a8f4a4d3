package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// bench is where the mutants of a package are tried.
type bench struct {
	root  string // of the module
	dir   string // for what is built
	of    string
	tests []suite
	takes []time.Duration // each suite, without a mutant
}

// verdict is what came of a mutant.
type verdict string

const (
	found    verdict = "found"
	hangs    verdict = "hangs" // which is found too
	survives verdict = "SURVIVES"
	unbuilt  verdict = "doesn't compile"
)

const (
	// buildFor bounds the build of a test binary.
	buildFor = 10 * time.Minute
	// slower is how much longer than without a mutant tests may take.
	slower = 5
	// memory bounds what a test may use, in KiB of addresses: a mutant may never stop to allocate.
	memory = 8 << 20
)

// measure runs all tests without a mutant: they must pass.
func (b *bench) measure() error {
	for _, s := range b.tests {
		binary, out, err := b.build(s, "")
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", s.of, err, out)
		}
		begin := time.Now()
		if out, err := b.test(s, binary, buildFor); err != nil {
			return fmt.Errorf("%s fails without a mutant: %w\n%s", s.of, err, out)
		}
		b.takes = append(b.takes, time.Since(begin))
		fmt.Printf("%s passes in %v\n", s.of, b.takes[len(b.takes)-1].Round(time.Millisecond))
	}
	return nil
}

// tally counts verdicts.
type tally map[verdict]int

func (t tally) tried() int { return t[found] + t[hangs] + t[survives] }

// share is how many of the mutants were found, in percent.
func (t tally) share() int {
	if t.tried() == 0 {
		return 100
	}
	return 100 * (t[found] + t[hangs]) / t.tried()
}

func (t tally) String() string {
	return fmt.Sprintf("%d mutants: %d found, %d hang, %d survive; besides, %d don't compile",
		t.tried(), t[found], t[hangs], t[survives], t[unbuilt])
}

// tryAll tries mutants until n of them have compiled.
func (b *bench) tryAll(mutants []*mutant, n int) (tally, error) {
	t := tally{}
	for _, m := range mutants {
		if n > 0 && t.tried() >= n {
			break
		}
		text, err := os.ReadFile(filepath.Join(b.root, m.file))
		if err != nil {
			return t, err
		}
		v, by, err := b.try(m, text)
		if err != nil {
			return t, err
		}
		t[v]++
		switch v {
		case unbuilt:
		case survives:
			fmt.Printf("%s %v\n%s", v, m, m.diff(text))
		default:
			fmt.Printf("%s %v by %s\n", v, m, by)
		}
	}
	return t, nil
}

// try builds the tests with a mutant, and runs them until one finds it.
func (b *bench) try(m *mutant, text []byte) (v verdict, by string, err error) {
	overlay, err := b.overlay(m, text)
	if err != nil {
		return "", "", err
	}
	for i, s := range b.tests {
		binary, out, err := b.build(s, overlay)
		if errors.Is(err, context.DeadlineExceeded) {
			return "", "", fmt.Errorf("%v: the build hangs: %s", m, out)
		}
		if err != nil {
			return unbuilt, "", nil //nolint:nilerr // what doesn't compile is no mutant
		}
		out, err = b.test(s, binary, 20*time.Second+slower*b.takes[i])
		if err != nil && strings.Contains(out, "panic: test timed out") {
			return hangs, s.of, nil
		}
		if err != nil {
			return found, s.of + " " + reason(out), nil //nolint:nilerr // as above
		}
	}
	return survives, "", nil
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|^(panic: .*|fatal error: .*)`)

// reason names the first test that failed.
func reason(out string) string {
	m := failed.FindStringSubmatch(out)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// overlay writes what go build takes instead of the file.
func (b *bench) overlay(m *mutant, text []byte) (string, error) {
	copied := filepath.Join(b.dir, "mutant.go")
	if err := os.WriteFile(copied, m.apply(text), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(b.root, m.file): copied}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(b.dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o600)
}

// build builds the test binary of a suite.
func (b *bench) build(s suite, overlay string) (binary, out string, err error) {
	binary = filepath.Join(b.dir, "suite.test")
	ctx, cancel := context.WithTimeout(context.Background(), buildFor)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./"+s.of) //nolint:gosec // all of it is ours
	build.Dir = b.root
	text, err := build.CombinedOutput()
	return binary, string(text), errors.Join(err, ctx.Err())
}

// test runs a test binary where its package is.
func (b *bench) test(s suite, binary string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit+time.Minute)
	defer cancel()
	limited := fmt.Sprintf(`ulimit -v %d && exec "$0" "$@"`, memory)
	test := exec.CommandContext(ctx, "sh", "-c", limited, binary, "-test.failfast", "-test.short", "-test.timeout="+limit.String()) //nolint:gosec // the same
	if s.skip != "" {
		test.Args = append(test.Args, "-test.skip="+s.skip)
	}
	test.Dir = filepath.Join(b.root, s.of)
	test.WaitDelay = time.Second
	out, err := test.CombinedOutput()
	return string(out), err
}
