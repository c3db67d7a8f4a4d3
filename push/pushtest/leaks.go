package pushtest

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// hubs counts the hubs of all tests outside of bubbles. What each has started can't be told
// apart, so the last one that ends looks for what is left.
var hubs struct {
	mu     sync.Mutex
	count  int
	before map[string]bool // the goroutines that were there before the first, by number
}

// watchLeaks returns what to call when the hub has ended: the test fails if goroutines of
// Tidewire are left then.
func watchLeaks(t testing.TB) (ended func()) {
	if bubble, ok := inBubble(); ok {
		before := numbers(goroutines(bubble))
		return func() { report(t, leaked(bubble, before)) }
	}
	hubs.mu.Lock()
	defer hubs.mu.Unlock()
	if hubs.count++; hubs.count == 1 {
		hubs.before = numbers(goroutines(""))
	}
	return func() {
		hubs.mu.Lock()
		defer hubs.mu.Unlock()
		if hubs.count--; hubs.count == 0 {
			report(t, leaked("", hubs.before))
		}
	}
}

func report(t testing.TB, left []goroutine) {
	t.Helper()
	for _, g := range left {
		t.Errorf("pushtest: a goroutine of the hub is left after its Shutdown:\n%s", g.stack)
	}
}

// goroutine is one of this process.
type goroutine struct {
	number string
	stack  string
}

func numbers(all []goroutine) map[string]bool {
	known := map[string]bool{}
	for _, g := range all {
		known[g.number] = true
	}
	return known
}

// leaked returns what Tidewire has started and not ended, once it doesn't get less any more.
func leaked(bubble string, before map[string]bool) []goroutine {
	pause := time.Millisecond
	for deadline := time.Now().Add(patience); ; pause = min(2*pause, time.Second) {
		var left []goroutine
		for _, g := range goroutines(bubble) {
			if !before[g.number] && g.isOurs() {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause) //clock:real there is nothing else to wait for
	}
}

// goroutines returns those of a bubble, or those in none.
func goroutines(bubble string) (all []goroutine) {
	stacks := make([]byte, 1<<20)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		head, _, _ := strings.Cut(string(stack), "\n")
		if in, _ := bubbleIn(head); in != bubble {
			continue
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(head, "goroutine "), " ")
		all = append(all, goroutine{number, string(stack)})
	}
	return all
}

// prefix is how the names of Tidewire's functions begin.
const prefix = "github.com/tidewire/tidewire/"

// isOurs reports whether Tidewire has started the goroutine, and no test or example of its
// own.
func (g goroutine) isOurs() bool {
	_, creator, ok := strings.Cut(g.stack, "\ncreated by ")
	if !ok {
		return false
	}
	function, file, _ := strings.Cut(creator, "\n")
	return strings.HasPrefix(function, prefix) && !strings.HasPrefix(function, prefix+"examples/") &&
		!strings.HasPrefix(function, prefix+"push/pushtest.") && !strings.Contains(file, "_test.go:")
}
