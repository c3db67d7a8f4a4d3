package sim

import (
	"strings"
	"time"
)

// faults are those of the way to the store, for all instances; guarded by Store.mu.
type faults struct {
	seed   uint64
	delay  time.Duration // the longest for one way
	thawed chan struct{} // closed when the store goes on; nil if it isn't frozen
	before int           // this many calls fail, and aren't carried out
	after  int           // this many calls fail, and are carried out
	reads  bool          // only those that read do
	behind bool          // the replica doesn't confirm
	lost   func()        // called when a message or a call is lost; may be nil
}

// time is what one way takes. It depends only on the seed, the names and which call it is,
// so that calls at the same time don't change each other's. To rename an instance or a
// channel is therefore to draw other delays, and the known schedules lose their moments.
func (f *faults) time(port, what string, n int) time.Duration {
	if f.delay == 0 {
		return 0
	}
	h := f.seed ^ uint64(n)*0x9e3779b97f4a7c15
	for _, text := range []string{port, what} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 0x100000001b3 // FNV-1a
		}
	}
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return time.Duration((h^h>>32)>>1) % (f.delay + 1)
}

// fail takes what the next call is to suffer.
func (f *faults) fail(what string) (before, after bool) {
	if f.reads && !strings.HasPrefix(what, "read ") {
		return false, false
	}
	if f.lost != nil && f.before+f.after > 0 {
		f.lost()
	}
	switch {
	case f.before > 0:
		f.before--
		return true, false
	case f.after > 0:
		f.after--
		return false, true
	default:
		return false, false
	}
}
