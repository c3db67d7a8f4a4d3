package limit

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// TestRate: a burst goes through at once, then one for each part of a second, and what
// wasn't used doesn't add up beyond the burst.
func TestRate(t *testing.T) {
	r := Rate{PerSecond: 2, Burst: 3}
	steps := []struct {
		at   time.Duration
		wait time.Duration
	}{
		{time.Second, 0},
		{time.Second, 0},
		{time.Second, 0},
		{time.Second, 500 * time.Millisecond},
		{1400 * time.Millisecond, 100 * time.Millisecond}, // a refusal costs nothing
		{1500 * time.Millisecond, 0},
		{1500 * time.Millisecond, 500 * time.Millisecond},
		{2500 * time.Millisecond, 0},
		{2500 * time.Millisecond, 0},
		{2500 * time.Millisecond, 500 * time.Millisecond},
		{time.Hour, 0},
		{time.Hour, 0},
		{time.Hour, 0},
		{time.Hour, 500 * time.Millisecond},
	}
	var b Bucket
	for i, step := range steps {
		if asked, got := b.Wait(r, 1, step.at), b.Take(r, step.at); got != step.wait || asked != got {
			t.Errorf("step %d at %v: asked %v, taken %v, want %v", i, step.at, asked, got, step.wait)
		}
	}
}

func TestRateDefaults(t *testing.T) {
	standard := Rate{PerSecond: 10, Burst: 20}
	for _, tt := range []struct{ rate, want Rate }{
		{Rate{}, standard},
		{Rate{PerSecond: -1}, Rate{}},
		{Rate{PerSecond: -1, Burst: 7}, Rate{}},
		{Rate{Burst: 7}, Rate{}},
		{Rate{PerSecond: 5, Burst: 1}, Rate{PerSecond: 5, Burst: 1}},
		{Rate{PerSecond: 5}, Rate{PerSecond: 5, Burst: 5}},
		{Rate{PerSecond: 0.1}, Rate{PerSecond: 0.1, Burst: 1}},
		{Rate{PerSecond: math.NaN(), Burst: 7}, standard},
		{Rate{PerSecond: math.Inf(-1)}, Rate{}},
		{Rate{PerSecond: math.Inf(1)}, Rate{PerSecond: math.Inf(1), Burst: 1<<31 - 1}},
		{Rate{PerSecond: 1e30}, Rate{PerSecond: 1e30, Burst: 1<<31 - 1}},
	} {
		if got := tt.rate.OrDefault(standard); got != tt.want {
			t.Errorf("%+v is %+v, want %+v", tt.rate, got, tt.want)
		}
	}
}

// TestRateWithoutLimit: neither no limit nor one beyond all measure stops anybody.
func TestRateWithoutLimit(t *testing.T) {
	for _, rate := range []Rate{{}, {PerSecond: 1e30, Burst: 1}, {PerSecond: math.Inf(1)}, {PerSecond: 1, Burst: math.MaxInt}} {
		var b Bucket
		for range 1000 {
			if wait := b.Take(rate, time.Second); wait != 0 {
				t.Fatalf("%+v: wait %v", rate, wait)
			}
		}
	}
}

// TestBucketsAreKeptApart: each party has its own, for as long as it matters.
func TestBucketsAreKeptApart(t *testing.T) {
	table := Buckets[string]{Rate: Rate{PerSecond: 1, Burst: 2}}
	now := time.Second
	for range 2 {
		for _, party := range []string{"a", "b"} {
			if wait := table.Take(party, now); wait != 0 {
				t.Fatalf("%s has to wait %v", party, wait)
			}
		}
	}
	for _, party := range []string{"a", "b"} {
		if wait := table.Wait(party, now); wait != time.Second {
			t.Errorf("%s has to wait %v", party, wait)
		}
	}
	// The tables turn; who has used all of it is still known.
	now += 1500 * time.Millisecond
	if wait := table.Take("a", now); wait != 0 {
		t.Errorf("a has to wait %v", wait)
	}
	now += 600 * time.Millisecond
	table.Take("c", now)
	if wait := table.Take("a", now); wait != 0 {
		t.Errorf("a has to wait %v", wait)
	}
	if wait := table.Take("a", now); wait != 900*time.Millisecond {
		t.Errorf("after all it could take a has to wait %v", wait)
	}
}

// TestBucketsAreBounded: a million addresses leave no more than the last ones, and
// these only for a while.
func TestBucketsAreBounded(t *testing.T) {
	table := Buckets[int]{Rate: Rate{PerSecond: 1, Burst: 10}}
	for i := range 1_000_000 {
		table.Take(i, time.Second)
		if n := len(table.young) + len(table.old); n > 2*maxBuckets {
			t.Fatalf("%d are kept", n)
		}
	}
	for i := range 2 {
		table.Take(-1, time.Duration(i+2)*10*time.Second)
	}
	if got := fmt.Sprint(len(table.young), len(table.old)); got != "1 1" {
		t.Errorf("in the end %s are kept", got)
	}
}
