package brokertest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// result is how a test of the suite ended.
type result struct {
	failures []string
	skipped  string // why; "" if it wasn't
}

// failed reports whether the test would have failed.
func (r result) failed() bool { return len(r.failures) > 0 }

// record runs the suite on a backend, each test in virtual time, and returns the
// results by the tests' names.
func record(t *testing.T, newBackend New, groups []group) map[string]result {
	t.Helper()
	results := map[string]result{}
	for _, g := range groups {
		for _, test := range g.tests {
			name := strings.TrimPrefix(g.name+"/"+test.name, "/")
			if _, twice := results[name]; twice {
				t.Fatalf("there are two tests %s", name)
			}
			synctest.Test(t, func(t *testing.T) {
				results[name] = recordTest(t, func(t testing.TB) { test.run(t, g.setup(newBackend)) })
			})
		}
	}
	return results
}

// recordTest runs one test, with its cleanups.
func recordTest(t testing.TB, run func(testing.TB)) result {
	ctx, cancel := context.WithCancel(context.Background())
	r := &recorder{TB: t, ctx: ctx}
	inGoroutine(func() { run(r) })
	cancel()
	for n := len(r.cleanups); n > 0; n = len(r.cleanups) {
		last := r.cleanups[n-1]
		r.cleanups = r.cleanups[:n-1]
		inGoroutine(last)
	}
	return r.result
}

// inGoroutine runs a function that may end its goroutine, and waits for it.
func inGoroutine(run func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	<-done
}

// recorder is a testing.TB that records failures and doesn't fail.
type recorder struct {
	testing.TB
	ctx      context.Context
	cleanups []func()

	mu sync.Mutex
	result
}

func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Helper()                  {}
func (r *recorder) Log(...any)               {}
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Error(args ...any)                 { r.note(fmt.Sprintln(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.note(fmt.Sprintf(format, args...)) }
func (r *recorder) Fail()                             { r.note("Fail") }
func (r *recorder) FailNow()                          { r.fatal("FailNow") }
func (r *recorder) Fatal(args ...any)                 { r.fatal(fmt.Sprintln(args...)) }
func (r *recorder) Fatalf(format string, args ...any) { r.fatal(fmt.Sprintf(format, args...)) }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed()
}

func (r *recorder) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, what)
}

func (r *recorder) fatal(what string) {
	r.note(what)
	runtime.Goexit()
}

func (r *recorder) Skip(args ...any)                 { r.skip(fmt.Sprint(args...)) }
func (r *recorder) Skipf(format string, args ...any) { r.skip(fmt.Sprintf(format, args...)) }
func (r *recorder) SkipNow()                         { r.skip("SkipNow") }

func (r *recorder) skip(why string) {
	r.skipped = why
	runtime.Goexit()
}
