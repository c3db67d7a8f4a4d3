package broker

import (
	"slices"
	"testing"
	"time"
)

func TestDurationsAreCountedUpToTheirBound(t *testing.T) {
	var a, b Durations
	if len(a.counts) != len(durationBounds)+1 || !slices.IsSorted(durationBounds) {
		t.Fatalf("%d counts for %v", len(a.counts), durationBounds)
	}
	for _, bound := range durationBounds {
		a.Add(bound)
		b.Add(bound + 1)
	}
	a.Add(-time.Second)
	var h Histogram
	a.AddTo(&h)
	if h.Counts[0] != 2 || h.Counts[len(h.Counts)-1] != 0 {
		t.Errorf("bounds are counted as %v", h.Counts)
	}
	sum := h.Sum
	b.AddTo(&h)
	if h.Counts[0] != 2 || h.Counts[1] != 2 || h.Counts[len(h.Counts)-1] != 1 || h.Count() != uint64(2*len(durationBounds)+1) {
		t.Errorf("one more than the bounds are counted as %v", h.Counts)
	}
	if h.Sum != 2*sum+time.Duration(len(durationBounds)) {
		t.Errorf("the sum is %v, that of the bounds %v", h.Sum, sum)
	}
}
