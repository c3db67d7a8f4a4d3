package redisbroker

import (
	"math"
	"reflect"
	"testing"
	"time"
)

// TestOptionsArePositive: nothing that is given for a size or a time makes a timer panic, or
// keys of Redis expire at once.
func TestOptionsArePositive(t *testing.T) {
	standard := Options{}.withDefaults()
	for _, d := range []time.Duration{math.MinInt64, -1, 0} {
		o := Options{MaxMessage: int(max(d, -1)), Retry: d, Keep: d, Check: d, ReplicaTimeout: d}.withDefaults()
		if !reflect.DeepEqual(o, standard) {
			t.Errorf("%d gives %+v", d, o)
		}
	}
	for _, d := range []time.Duration{1, time.Microsecond, time.Hour, math.MaxInt64} {
		o := Options{Retry: d, Keep: d, Check: d, ReplicaTimeout: d}.withDefaults()
		for name, got := range map[string]time.Duration{"Retry": o.Retry, "Keep": o.Keep, "Check": o.Check, "ReplicaTimeout": o.ReplicaTimeout} {
			if got != max(d, time.Millisecond) {
				t.Errorf("%s of %v is %v", name, d, got)
			}
		}
	}
}
