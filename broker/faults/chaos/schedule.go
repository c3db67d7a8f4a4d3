package main

import "math/rand/v2"

// schedule draws the faults of each period from a seed. One period in four is quiet. Each kind comes up at least once
// in as many other periods as there are kinds: the first of a period is dealt from a deck, the rest are added at random.
type schedule struct {
	random *rand.Rand
	kinds  []*fault
	deck   []*fault
	block  []bool // of the next periods: whether they are quiet
}

const (
	quietOneIn = 4
	// company is how many of the other kinds a period has, on average.
	company = 1.5
)

// next gives the faults of the next period.
func (s *schedule) next() []*fault {
	if len(s.block) == 0 {
		s.block = make([]bool, quietOneIn)
		s.block[s.random.IntN(quietOneIn)] = true
	}
	quiet := s.block[0]
	s.block = s.block[1:]
	if quiet {
		return nil
	}
	if len(s.deck) == 0 {
		for _, i := range s.random.Perm(len(s.kinds)) {
			s.deck = append(s.deck, s.kinds[i])
		}
	}
	drawn := []*fault{s.deck[0]}
	s.deck = s.deck[1:]
	exclusive, redis, steady := drawn[0].exclusive, drawn[0].redis, drawn[0].steady
	for _, f := range s.kinds {
		fires := s.random.Float64() < company/float64(len(s.kinds))
		if !fires || f == drawn[0] || f.exclusive && exclusive || f.redis && steady || f.steady && redis {
			continue
		}
		exclusive, redis, steady = exclusive || f.exclusive, redis || f.redis, steady || f.steady
		drawn = append(drawn, f)
	}
	return drawn
}
