package sim

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var (
	simSchedules = flag.Int("sim.schedules", 300, "how many schedules TestSimulation runs")
	simSeed      = flag.Uint64("sim.seed", 1, "the first schedule's seed; 0 is one by the clock")
	simShrink    = flag.Bool("sim.shrink", true, "whether a schedule that fails is made smaller")
	simWithout   = flag.String("sim.without", "", "a healer that is switched off: draw nothing that only it heals")
)

// simulate runs a schedule, and returns what it violated and its timeline around that.
func simulate(t *testing.T, s schedule) (violations, timeline string, happened tally) {
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s)
		w.run(s.Steps)
		violations, happened = w.failed(), w.tally
		if violations != "" {
			timeline = w.timeline(100, 20)
		}
	})
	return violations, timeline, happened
}

// run takes the steps, heals, and checks at the end what must be well then.
func (w *world) run(steps []step) {
	synctest.Wait()
	for _, s := range steps {
		w.take(s)
		synctest.Wait()
		w.check()
		if w.failed() != "" {
			break
		}
	}
	w.heal()
	w.allowAll()
	if w.failed() == "" {
		w.wait(15 * time.Second)
		w.whole("after healing")
		w.mark()
		w.wait(time.Second)
		w.whole("after new messages")
		w.wait(44 * time.Second)
		w.whole("at the end")
		w.settleAccounts()
	}
	w.close()
}

func (w *world) wait(d time.Duration) {
	time.Sleep(d) //clock:virtual
	synctest.Wait()
	w.check()
}

// close ends everything.
func (w *world) close() {
	w.logf("STEP close")
	w.allLeave()
	for _, n := range w.instances {
		w.shutDown(n)
	}
	w.work.Wait()
	if w.failed() == "" {
		w.counted()
	}
}

// TestSimulation runs schedules on all cores. One that fails is drawn again by
// rapid, which makes it as small as it can.
func TestSimulation(t *testing.T) {
	first := *simSeed
	if first == 0 {
		first = uint64(time.Now().UnixNano() >> 10)
	}
	draw := schedules(*simWithout)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // many small worlds, all soon gone
	begin := time.Now()
	var next atomic.Int64
	var wait sync.WaitGroup
	var mu sync.Mutex
	var failures []failure
	happened := tally{}
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(*simSchedules); i = next.Add(1) - 1 {
				seed := first + uint64(i)
				violations, timeline, what := simulate(t, draw.Example(int(seed)))
				mu.Lock()
				happened.add(what)
				if violations != "" {
					failures = append(failures, failure{seed, violations, timeline})
					next.Store(int64(*simSchedules))
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	t.Logf("%d schedules from seed %d in %v\n%s", happened["schedules"], first, time.Since(begin), happened) //clock:real it is only told
	if len(failures) > 0 {
		f := failures[0]
		t.Logf("seed %d fails after %d schedules:\n%s", f.seed, happened["schedules"], f.violations)
		if *simShrink {
			shrink(t, draw, f)
		}
		t.FailNow()
	}
}

// failure is a schedule that failed, by its seed.
type failure struct {
	seed                 uint64
	violations, timeline string
}

// shrink fails with the smallest schedule that still fails.
func shrink(t *testing.T, draw *rapid.Generator[schedule], f failure) {
	for name, value := range map[string]string{"rapid.seed": fmt.Sprint(f.seed), "rapid.checks": "1", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := draw.Draw(rt, "schedule")
		for range attempts {
			if violations, timeline, _ := simulate(t, s); violations != "" {
				rt.Fatalf("%s\n%s\n%s", s, timeline, violations)
			}
		}
	})
	t.Fatalf("it failed once, and not again:\n%s\n%s\n%s", draw.Example(int(f.seed)), f.timeline, f.violations)
}

// attempts is how often a schedule is tried that has failed: which of two goroutines
// that could both go on goes first isn't drawn.
const attempts = 5
