package socket

import "testing"

// TestIdleIsSmall holds the two ways to what they may cost, with some room. A
// waiting goroutine fits the smallest stack, 2 KiB, but not with the race
// detector's larger frames; and the runtime starts all goroutines with more if
// those that it has seen needed more (GODEBUG=adaptivestackstart=0 ends that).
func TestIdleIsSmall(t *testing.T) {
	const many = 2000
	if heap, stack := idleCost(t, many); heap > 200 || stack > 50 {
		t.Errorf("by epoll a socket costs %.0f bytes and %.0f of stack", heap, stack)
	}
	refuseEpoll(t)
	if _, stack := idleCost(t, many); stack > 4200 {
		t.Errorf("asleep a socket costs %.0f bytes of stack", stack)
	}
}
