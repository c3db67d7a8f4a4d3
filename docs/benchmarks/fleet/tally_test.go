package fleet

import (
	"testing"
	"time"
)

// arrivals gives publications of one topic to one client, of three that were sent.
func arrivals(t *testing.T, numbers ...uint32) *Tally {
	t.Helper()
	now := time.Now()
	tally := newTally(1)
	tally.followers[0] = 1
	for range 3 {
		tally.Sent(now)
	}
	next := uint32(1)
	for _, n := range numbers {
		var err error
		if next, err = tally.arrive(0, n, next, now); err != nil {
			t.Fatal(err)
		}
	}
	return tally
}

func TestTally(t *testing.T) {
	for name, c := range map[string]struct {
		numbers                   []uint32
		lost, doubled, unanswered int
	}{
		"whole":    {[]uint32{1, 2, 3}, 0, 0, 0},
		"missing":  {[]uint32{1, 3}, 1, 0, 2},
		"doubled":  {[]uint32{1, 2, 2, 3}, 0, 1, 0},
		"reversed": {[]uint32{2, 1, 3}, 1, 1, 3},
		"waiting":  {[]uint32{1}, 0, 0, 2},
	} {
		tally := arrivals(t, c.numbers...)
		if tally.Lost != c.lost || tally.Doubled != c.doubled || tally.Unanswered() != c.unanswered {
			t.Errorf("%s: %d lost, %d doubled, %d unanswered", name, tally.Lost, tally.Doubled, tally.Unanswered())
		}
		if wrong := c.lost+c.doubled > 0; wrong != (tally.Complaint() != nil) {
			t.Errorf("%s: the complaint is %v", name, tally.Complaint())
		}
	}
	if _, err := arrivals(t).arrive(0, 4, 1, time.Now()); err == nil {
		t.Error("what wasn't sent has arrived")
	}
}

func TestTopicsTakeTurns(t *testing.T) {
	tally := newTally(2)
	for i, want := range [][2]int{{0, 1}, {1, 1}, {0, 2}, {1, 2}} {
		if topic, number := tally.Sent(time.Now()); topic != want[0] || number != want[1] {
			t.Errorf("publication %d is %d of topic %d, want %v", i, number, topic, want)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0: time.Millisecond, .5: 500 * time.Millisecond, .99: 990 * time.Millisecond, 1: time.Second} {
		if got := h.Quantile(q); got < want || got > want+want/16 {
			t.Errorf("quantile %g is %v, want %v or a little more", q, got, want)
		}
	}
	if h.Max() != time.Second {
		t.Errorf("the longest is %v", h.Max())
	}
}
