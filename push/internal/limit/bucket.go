// Package limit counts how often something happens against rates, for many parties.
package limit

import (
	"math"
	"time"
)

// Rate is a push.Rate with its defaults applied: the zero value doesn't limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// OrDefault gives a rate its meaning. In what it gives, no limit is the zero Rate.
func (r Rate) OrDefault(standard Rate) Rate {
	if r == (Rate{}) || math.IsNaN(r.PerSecond) {
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

// Times is the rate of n who have this one each.
func (r Rate) Times(n int) Rate {
	return Rate{r.PerSecond * float64(n), int(min(float64(r.Burst)*float64(n), math.MaxInt32))}
}

// cost is how long n uses take to be paid off.
func (r Rate) cost(n int) time.Duration { return span(float64(n) / r.PerSecond) }

// credit is how far ahead of the clock a bucket may be and still take n more.
func (r Rate) credit(n int) time.Duration { return span(float64(r.Burst-n) / r.PerSecond) }

// longest is longer than any process lives.
const longest = 100 * 365 * 24 * time.Hour

// span makes a time of seconds. What is longer than any process lives is cut.
func span(seconds float64) time.Duration {
	return time.Duration(min(seconds*float64(time.Second), float64(longest)))
}

// Bucket is what one party has used of a Rate, by the generic cell rate algorithm
// (ITU-T I.371, annex A): when on the hub's clock all of it will be paid off. The zero
// bucket has used nothing.
type Bucket int64

// Wait is how long it takes until the rate allows n more, which may be no more than the
// burst; 0 is now.
func (b *Bucket) Wait(r Rate, n int, now time.Duration) time.Duration {
	if r == (Rate{}) {
		return 0
	}
	return max(0, time.Duration(*b)-r.credit(n)-now)
}

// Take uses the rate once, if it allows that now, and else says how long that takes.
func (b *Bucket) Take(r Rate, now time.Duration) time.Duration {
	wait := b.Wait(r, 1, now)
	if wait == 0 {
		b.Spend(r, 1, now)
	}
	return wait
}

// Spend uses the rate n times, whether it allows that or not.
func (b *Bucket) Spend(r Rate, n int, now time.Duration) {
	if r != (Rate{}) {
		*b = Bucket(max(time.Duration(*b), now) + r.cost(n))
	}
}
