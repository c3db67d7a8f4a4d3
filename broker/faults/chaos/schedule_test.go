package main

import (
	"math/rand/v2"
	"testing"
)

func TestScheduleDealsEachKindAndRests(t *testing.T) {
	const periods = 28 // of five minutes, less two for faults that take long
	for seed := range uint64(200) {
		s := schedule{random: rand.New(rand.NewPCG(seed, 0)), kinds: faults("")}
		fired := map[*fault]int{}
		quiet := 0
		for range periods {
			drawn := s.next()
			if len(drawn) == 0 {
				quiet++
			}
			exclusive, seen := 0, map[*fault]bool{}
			for _, f := range drawn {
				if seen[f] {
					t.Fatalf("seed %d: %s comes twice in one period", seed, f.name)
				}
				seen[f] = true
				fired[f]++
				if f.exclusive {
					exclusive++
				}
			}
			if exclusive > 1 {
				t.Fatalf("seed %d: two failovers in one period", seed)
			}
		}
		if quiet != periods/quietOneIn {
			t.Errorf("seed %d: %d of %d periods are quiet", seed, quiet, periods)
		}
		for _, f := range s.kinds {
			if fired[f] == 0 {
				t.Errorf("seed %d: %s never fires", seed, f.name)
			}
		}
	}
}
