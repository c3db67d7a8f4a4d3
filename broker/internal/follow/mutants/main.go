// Command mutants checks the simulation (package sim): it breaks the code
// in one way after the other, in copies that only the compiler sees, and each time
// the simulation must fail. It also switches the healers off in turn, whose absence
// the rest must stand: then it must pass.
//
//	go run ./broker/internal/follow/mutants [-schedules n] [-states] [-run name]
//
// A simulation that takes too long has caught nothing: a machine that is busy would do the same.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	schedules := flag.Int("schedules", 20_000, "how many schedules a mutant may survive")
	healthy := flag.Int("healthy", 2000, "how many schedules must pass without a healer")
	only := flag.String("run", "", "try only what has this in its name")
	states := flag.Bool("states", false, "try only the mutants of states and members")
	limit := flag.Duration("timeout", 10*time.Minute, "how long one simulation may take; it has caught nothing then")
	flag.Parse()
	if err := run(*schedules, *healthy, *only, *states, *limit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(schedules, healthy int, only string, states bool, limit time.Duration) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := bench{root, dir, limit}
	var bad []string
	try := func(name string, patches []patch, schedules int, without string, wanted bool) {
		if !strings.Contains(name, only) {
			return
		}
		r, err := b.try(patches, schedules, without)
		if err != nil {
			fmt.Printf("%-58s can't be tried: %v\n", name, err)
		} else {
			fmt.Printf("%-58s %s\n", name, r)
		}
		if err != nil || r.timedOut || r.caught != wanted {
			bad = append(bad, name)
		}
	}
	mutants := stateMutants
	if !states {
		for _, h := range healers {
			try("healer off: "+h.name, h.patches, healthy, h.name, false)
		}
		mutants = slices.Concat(logMutants, stateMutants)
	}
	for _, m := range mutants {
		try(m.String(), m.all(), schedules, m.without, true)
	}
	if len(bad) > 0 {
		return fmt.Errorf("not as it should be: %s", strings.Join(bad, "; "))
	}
	return nil
}

// bench is where mutants are tried.
type bench struct {
	root  string        // of the module
	dir   string        // for what is built
	limit time.Duration // of one simulation
}

// result is what came of a simulation.
type result struct {
	caught    bool
	timedOut  bool // which is neither caught nor passed
	schedules string
	why       string
	took      time.Duration
}

func (r result) String() string {
	if r.timedOut {
		return fmt.Sprintf("not caught: stopped by the time limit (%v)", r.took.Round(time.Second))
	}
	if !r.caught {
		return fmt.Sprintf("passes %s schedules (%v)", r.schedules, r.took.Round(time.Second))
	}
	return fmt.Sprintf("caught after %s: %s", r.schedules, r.why)
}

var (
	passed = regexp.MustCompile(`(\d+) schedules from seed`)
	known  = regexp.MustCompile(`--- FAIL: TestKnownSchedules/(\S+)`)
	failed = regexp.MustCompile(`seed \d+ fails after (\d+) schedules:\s+(.*)`)
	died   = regexp.MustCompile(`(?m)^(panic|fatal error): .*`)
)

// timeLimit is how a test binary says that it was stopped for taking too long.
var timeLimit = []byte("panic: test timed out after ")

// try builds the tests with patches, and runs the simulation.
func (b bench) try(patches []patch, schedules int, without string) (result, error) {
	overlay, err := b.overlay(patches)
	if err != nil {
		return result{}, err
	}
	binary := filepath.Join(b.dir, "simulation.test")
	build := exec.CommandContext(context.Background(), "go", "test", "-overlay", overlay, "-c", "-o", binary, "./broker/internal/follow/sim") //nolint:gosec // all of it is ours
	build.Dir = b.root
	if out, err := build.CombinedOutput(); err != nil {
		return result{}, fmt.Errorf("it doesn't build: %w\n%s", err, out)
	}
	tests := "^(TestKnownSchedules|TestSimulation)$"
	if without != "" {
		tests += "/^a_hole_shows" // the others have what that healer heals
	}
	test := exec.CommandContext(context.Background(), binary, "-test.run="+tests, "-test.v", "-sim.seed=1", "-sim.shrink=false", //nolint:gosec // the same
		fmt.Sprint("-sim.schedules=", schedules), "-sim.without="+without, fmt.Sprint("-test.timeout=", b.limit))
	test.Dir = filepath.Join(b.root, "broker", "internal", "follow", "sim")
	begin := time.Now()
	out, err := test.CombinedOutput()
	r := result{caught: err != nil, schedules: "?", took: time.Since(begin)}
	if bytes.Contains(out, timeLimit) {
		r.caught, r.timedOut = false, true
		return r, nil
	}
	if m := known.FindSubmatch(out); m != nil {
		r.schedules, r.why = "0", "known: "+strings.ReplaceAll(string(m[1]), "_", " ")
	}
	if m := failed.FindSubmatch(out); m != nil {
		r.schedules, r.why = string(m[1]), short(string(m[2]))
	} else if m := died.Find(out); m != nil {
		r.why = short(string(m))
	} else if m := passed.FindSubmatch(out); m != nil && r.why == "" {
		r.schedules = string(m[1])
	}
	if r.caught && r.why == "" {
		return result{}, fmt.Errorf("it fails without a reason: %w\n%s", err, out[max(0, len(out)-2000):])
	}
	return r, nil
}

// varying is what differs from run to run in the text of a violation.
var varying = regexp.MustCompile(`\{[0-9a-f]{16} \d+ \d+\}|client \d+, topic/\d+ at `)

func short(text string) string {
	text = strings.TrimSpace(varying.ReplaceAllString(text, "…"))
	return text[:min(len(text), 100)]
}

func moduleRoot() (string, error) {
	out, err := exec.CommandContext(context.Background(), "go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
