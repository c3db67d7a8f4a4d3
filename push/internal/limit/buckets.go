package limit

import (
	"sync"
	"time"
)

// Buckets are the buckets of one Rate for many parties, such as users or addresses.
// Who has used nothing for so long that all is paid off is forgotten, by the way: the
// table is two, and when the older one has nothing left to say it is dropped as a
// whole. Of more than maxBuckets parties at a time those who came longest ago are
// forgotten sooner, so that who invents names gains little and costs no memory.
type Buckets[K comparable] struct {
	Rate Rate // static

	mu         sync.Mutex // guards the rest
	young, old map[K]Bucket
	turned     time.Duration // when young was begun, on the hub's clock
}

// maxBuckets bounds each of the two tables.
const maxBuckets = 1 << 15

// Wait is how long it takes until a party may go on; 0 is now.
func (t *Buckets[K]) Wait(party K, now time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.find(party)
	return b.Wait(t.Rate, 1, now)
}

// Take lets a party go on, if the rate allows that now, and else says how long that
// takes.
func (t *Buckets[K]) Take(party K, now time.Duration) time.Duration {
	if t.Rate == (Rate{}) {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	b := t.find(party)
	wait := b.Take(t.Rate, now)
	t.young[party] = b
	return wait
}

// The methods below are called with t.mu held.

func (t *Buckets[K]) find(party K) Bucket {
	if b, ok := t.young[party]; ok {
		return b
	}
	return t.old[party]
}

// turn drops the older table if the younger one is old enough to take its place.
func (t *Buckets[K]) turn(now time.Duration) {
	full := t.Rate.credit(1) + t.Rate.cost(1)
	if t.young != nil && now-t.turned < full && len(t.young) < maxBuckets {
		return
	}
	t.young, t.old, t.turned = map[K]Bucket{}, t.young, now
}
