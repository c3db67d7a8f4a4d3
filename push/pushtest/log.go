package pushtest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

// testLog writes to the log of a test, as long as the test runs. What is logged later would
// be a panic.
type testLog struct {
	t testing.TB

	mu       sync.Mutex // guards the rest
	ended    bool
	expected []string
	seen     []bool // whether a line had expected[i]
}

func newTestLog(t testing.TB) *testLog { return &testLog{t: t} }

func (l *testLog) log(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.t.Log(line)
	}
}

// fail fails the test, unless the line is expected.
func (l *testLog) fail(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	expected := false
	for i, text := range l.expected {
		if strings.Contains(line, text) {
			l.seen[i], expected = true, true
		}
	}
	switch {
	case l.ended:
	case expected:
		l.t.Log(line)
	default:
		l.t.Errorf("pushtest: %s\n(hub.ExpectError takes an error for what it is meant to be)", line)
	}
}

func (l *testLog) expect(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected, l.seen = append(l.expected, text), append(l.seen, false)
}

// end is the last that is said: also which of the expected errors never came.
func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for i, text := range l.expected {
		if !l.seen[i] {
			l.t.Errorf("pushtest: the hub logged no error with %q, which hub.ExpectError has announced", text)
		}
	}
}

// logHandler is a slog.Handler over a testLog, without times, which say nothing in a test.
type logHandler struct {
	to     *testLog
	prefix string // of the names of attributes
	fields string
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Level.String() + " " + r.Message + h.fields)
	r.Attrs(func(a slog.Attr) bool {
		line.WriteString(h.field(a))
		return true
	})
	if r.Level >= slog.LevelError {
		h.to.fail("logged at level " + line.String())
	} else {
		h.to.log(line.String())
	}
	return nil
}

func (h *logHandler) field(a slog.Attr) string {
	return " " + h.prefix + a.Key + "=" + a.Value.Resolve().String()
}

func (h *logHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	next := *h
	for a := range slices.Values(attributes) {
		next.fields += h.field(a)
	}
	return &next
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.prefix += name + "."
	return &next
}
