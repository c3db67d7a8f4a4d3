package redisbroker

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
)

// figures are what the broker's calls come to.
type figures struct {
	calls, errors atomic.Uint64
	roundTrips    broker.Durations
}

// begin counts calls that are sent now. The function that it returns counts how they ended.
func (f *figures) begin(calls []*call) (end func()) {
	begun := time.Now()
	return func() {
		f.roundTrips.Add(time.Since(begun))
		f.calls.Add(uint64(len(calls)))
		for _, c := range calls {
			if err := c.command.Err(); err != nil && !errors.Is(err, redis.Nil) {
				f.errors.Add(1)
			}
		}
	}
}

// Figures is part of [broker.Metered], for package follow.
func (s *server) Figures() broker.Figures {
	f := broker.Figures{Calls: s.figures.calls.Load(), Errors: s.figures.errors.Load()}
	s.figures.roundTrips.AddTo(&f.RoundTrips)
	return f
}

// Figures returns what the broker has counted of its calls to Redis; see [broker.Metered].
func (b *Broker) Figures() broker.Figures { return b.follow.Figures() }
