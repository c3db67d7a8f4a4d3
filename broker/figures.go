package broker

import (
	"sync/atomic"
	"time"
)

// Metered is a push.Broker that counts what it does. Its figures are part of a hub's
// Stats.
type Metered interface {
	// Figures returns the figures of this moment. It doesn't call the store.
	Figures() Figures
}

// Figures are what a broker over a shared store has counted since it was made.
type Figures struct {
	// Calls are the commands that were sent to the store, and Errors those of them that
	// have failed: because the store couldn't be reached, or because it refused. Calls
	// that the store answers by a rule of the broker, such as a conflict, are none.
	Calls, Errors uint64
	// RoundTrips are the times from sending calls to their answers. Many calls may share
	// one.
	RoundTrips Histogram
	// Repairs counts reads of history because live messages were missed.
	Repairs uint64
	// Lag is how long the last probe took from this instance to the store's notifications
	// and back, or has taken so far, at the slowest node: about what live messages from
	// other instances take. Zero before the first.
	Lag time.Duration
}

// durationBounds are the bounds of each Histogram of Durations.
var durationBounds = []time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second,
}

// Histogram counts durations by how long they are.
type Histogram struct {
	// Bounds are inclusive upper bounds, ascending. Nobody changes them.
	Bounds []time.Duration
	// Counts has the durations up to each bound that are over the one before, and last
	// those over all bounds.
	Counts []uint64
	// Sum is that of all durations.
	Sum time.Duration
}

// Count is how many durations were counted.
func (h Histogram) Count() (n uint64) {
	for _, count := range h.Counts {
		n += count
	}
	return n
}

// Durations counts durations for a [Histogram]. The zero value is ready, and any number of
// goroutines may use it.
type Durations struct {
	counts [16]atomic.Uint64 // one more than durationBounds
	sum    atomic.Int64
}

// Add counts a duration. A negative one counts as zero.
func (d *Durations) Add(t time.Duration) {
	t = max(t, 0)
	i := 0
	for i < len(durationBounds) && t > durationBounds[i] {
		i++
	}
	d.counts[i].Add(1)
	d.sum.Add(int64(t))
}

// AddTo adds what was counted to a histogram of other Durations, or to the zero value.
func (d *Durations) AddTo(h *Histogram) {
	if h.Bounds == nil {
		h.Bounds, h.Counts = durationBounds, make([]uint64, len(d.counts))
	}
	for i := range d.counts {
		h.Counts[i] += d.counts[i].Load()
	}
	h.Sum += time.Duration(d.sum.Load())
}
