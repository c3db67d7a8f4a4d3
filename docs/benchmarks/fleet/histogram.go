package fleet

import (
	"math/bits"
	"time"
)

// Histogram counts durations in classes of about 3 %.
type Histogram struct {
	counts [64 * steps]uint64
	total  uint64
	max    time.Duration
}

const steps = 32 // classes from one power of two to the next

func class(d time.Duration) int {
	n := uint64(max(d, steps))
	shift := bits.Len64(n) - bits.Len64(steps)
	return shift*steps + int(n>>shift) - steps
}

func (h *Histogram) add(d time.Duration) {
	h.counts[class(d)]++
	h.total++
	h.max = max(h.max, d)
}

// Max is the longest duration.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is the duration that a share q of all doesn't exceed.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	for i, n := range h.counts {
		if n > rank {
			return min(h.max, time.Duration((i%steps+steps+1)<<(i/steps)))
		}
		rank -= n
	}
	return h.max
}
