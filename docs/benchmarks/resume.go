package main

import (
	"time"

	"github.com/tidewire/tidewire/docs/benchmarks/fleet"
)

// resume measures how all clients come back, each with its cursor, after they have missed some publications.
func (w *workshop) resume(s *server, c setup, missed int) (figures, error) {
	c.cursors = true
	t, err := w.open(s, c)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if err := t.connect(); err != nil {
		return nil, err
	}
	if _, err := t.pump(load{window: 1, count: 3}); err != nil {
		return nil, err
	}
	t.fleet.Leave()
	if err := t.rest(time.Second); err != nil { // the server takes note
		return nil, err
	}
	t.fleet.Renew()
	for range missed {
		if err := t.publish(t.fleet.Sent(time.Now())); err != nil {
			return nil, err
		}
	}
	if err := t.rest(500 * time.Millisecond); err != nil { // they are stored
		return nil, err
	}
	cpu, err := t.cpu()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := t.fleet.Return(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(fleet.Patience); t.fleet.Unanswered() > 0 && time.Now().Before(deadline); {
		if err := t.fleet.Poll(deadline); err != nil {
			return nil, err
		}
	}
	took := time.Since(begin)
	after, err := t.cpu()
	if err != nil {
		return nil, err
	}
	awaited := t.clients * missed
	return figures{
		"whole-s": took.Seconds(),
		"connect": micro(after-cpu) / float64(t.clients),
		"lost":    float64(awaited - t.fleet.Arrived),
		"doubled": float64(t.fleet.Doubled),
	}, nil
}
