package push

import (
	"math"
	"time"
)

// Rate bounds how often something may happen: Burst times at once, and PerSecond
// times a second in the long run. The zero Rate is the default of where it stands; a
// negative PerSecond is no limit. With a PerSecond and no Burst, the burst is what
// one second allows, and at least one.
type Rate struct {
	PerSecond float64
	Burst     int
}

// orDefault gives a rate its meaning. In what it gives, no limit is the zero Rate.
func (r Rate) orDefault(standard Rate) Rate {
	if r == (Rate{}) {
		r = standard
	}
	if r.PerSecond <= 0 {
		return Rate{}
	}
	if r.Burst <= 0 {
		r.Burst = max(1, int(min(r.PerSecond, math.MaxInt32)))
	}
	return r
}

// cost is how long one use takes to be paid off.
func (r Rate) cost() time.Duration { return span(1 / r.PerSecond) }

// credit is how far ahead of the clock a bucket may be and still take one more.
func (r Rate) credit() time.Duration { return span(float64(r.Burst-1) / r.PerSecond) }

// span makes a time of seconds. What is longer than any process lives is cut.
func span(seconds float64) time.Duration {
	return time.Duration(min(seconds*float64(time.Second), float64(forever)))
}

// bucket is what one party has used of a Rate, by the generic cell rate algorithm
// (ITU-T I.371, annex A): when on the hub's clock all of it will be paid off. The zero
// bucket has used nothing.
type bucket int64

// wait is how long it takes until the rate allows one more; 0 is now.
func (b *bucket) wait(r Rate, now time.Duration) time.Duration {
	if r == (Rate{}) {
		return 0
	}
	return max(0, time.Duration(*b)-r.credit()-now)
}

// take uses the rate once, if it allows that now, and else says how long that takes.
func (b *bucket) take(r Rate, now time.Duration) time.Duration {
	if r == (Rate{}) {
		return 0
	}
	if wait := b.wait(r, now); wait > 0 {
		return wait
	}
	*b = bucket(max(time.Duration(*b), now) + r.cost())
	return 0
}
