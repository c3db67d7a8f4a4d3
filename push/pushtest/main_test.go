package pushtest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// spy is a test of which is known what it says, and that it has failed.
type spy struct {
	testing.TB
	cleanups []func()

	mu   sync.Mutex
	said []string
}

// watched runs a test and returns what it has failed with, which is empty if it hasn't. Its
// cleanups have run by then.
func watched(t testing.TB, test func(t testing.TB)) string {
	s := &spy{TB: t}
	s.call(func() { test(s) })
	for len(s.cleanups) > 0 { // one may add another
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		s.call(last)
	}
	return strings.Join(s.said, "\n")
}

type fatal struct{}

// call calls a function as far as it comes.
func (s *spy) call(f func()) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(fatal); !ok {
				panic(p)
			}
		}
	}()
	f()
}

func (s *spy) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *spy) Helper()          {}
func (s *spy) Log(args ...any)  {}

func (s *spy) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

func (s *spy) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	panic(fatal{})
}

func (s *spy) Fatal(args ...any) {
	s.Errorf("%s", fmt.Sprint(args...))
	panic(fatal{})
}

// says fails unless the text of a failure has these parts.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("the failure doesn't say %q:\n%s", part, text)
		}
	}
}
