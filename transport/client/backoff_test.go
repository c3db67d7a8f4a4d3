package client

import (
	"testing"
	"time"
)

func TestBackoffHasBounds(t *testing.T) {
	b := backoff{500 * time.Millisecond, 30 * time.Second}
	for failures := range 100 {
		least, greatest := b.least, b.greatest
		if failures == 0 {
			least = 0
		}
		if failures < 6 {
			greatest = b.least << failures
		}
		shortest, longest := time.Hour, time.Duration(0)
		for range 1000 {
			d := b.wait(failures, 0)
			shortest, longest = min(shortest, d), max(longest, d)
		}
		if shortest < least || longest > least+greatest || longest-shortest < greatest/2 {
			t.Errorf("after %d failures: from %v to %v", failures, shortest, longest)
		}
		for _, asked := range []time.Duration{2 * time.Minute, longestWait, 24 * time.Hour} {
			if d := b.wait(failures, asked); d != min(asked, longestWait) {
				t.Errorf("a server that asks for %v gets %v", asked, d)
			}
		}
	}
}
