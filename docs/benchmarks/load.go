package main

import (
	"errors"
	"time"

	"github.com/tidewire/tidewire/docs/benchmarks/fleet"
)

// load is how publications are made.
type load struct {
	window int           // how many are in flight at most
	every  time.Duration // at least this long from one to the next
	time   time.Duration // for how long
	count  int           // how many, instead of a time
}

// pump publishes, and returns when everything has arrived everywhere. It returns how many publications it made.
func (t *trial) pump(l load) (made int, err error) {
	begin := time.Now()
	next, heard := begin, begin
	for {
		now := time.Now()
		going := l.goesOn(made, now.Sub(begin))
		for going && t.fleet.Unanswered() < l.window && !now.Before(next) {
			if err := t.publish(t.fleet.Sent(now)); err != nil {
				return made, err
			}
			made++
			next = next.Add(l.every)
			going = l.goesOn(made, now.Sub(begin))
		}
		if !going && t.fleet.Unanswered() == 0 {
			return made, t.fleet.Complaint()
		}
		until := heard.Add(fleet.Patience)
		if going && t.fleet.Unanswered() < l.window {
			until = next
		}
		before := t.fleet.Arrived
		if err := t.fleet.Poll(until); err != nil {
			return made, err
		}
		if t.fleet.Arrived > before || t.fleet.Unanswered() == 0 {
			heard = time.Now()
		} else if time.Since(heard) > fleet.Patience {
			return made, errors.Join(errUnreached, t.fleet.Complaint())
		}
	}
}

func (l load) goesOn(made int, passed time.Duration) bool {
	if l.count > 0 {
		return made < l.count
	}
	return passed < l.time
}
