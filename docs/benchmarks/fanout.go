package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// figures are what was measured, by name; see figureNames.
type figures map[string]float64

// fanout measures deliveries under a load.
func (w *workshop) fanout(s *server, c setup, l load) (figures, error) {
	t, err := w.open(s, c)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if err := t.connect(); err != nil {
		return nil, err
	}
	if err := t.tryAll(); err != nil {
		return nil, err
	}
	warm := l
	warm.time, warm.count = l.time/5, l.count/5
	if _, err := t.pump(warm); err != nil {
		return nil, err
	}
	idle, idleRedis, err := t.idleShares()
	if err != nil {
		return nil, err
	}
	t.fleet.Renew()
	before, err := t.spent()
	if err != nil {
		return nil, err
	}
	made, err := t.pump(l)
	if err != nil {
		return nil, err
	}
	after, err := t.spent()
	if err != nil {
		return nil, err
	}
	took := after.at.Sub(before.at)
	deliveries := float64(t.fleet.Arrived)
	f := figures{
		"cpu":    (micro(after.cpu-before.cpu) - idle*micro(took)) / deliveries,
		"bytes":  float64(after.received-before.received) / deliveries,
		"client": micro(after.own-before.own) / deliveries,
		"rate":   deliveries / took.Seconds(),
		"p50":    micro(t.fleet.Latency.Quantile(.5)) / 1000,
		"p99":    micro(t.fleet.Latency.Quantile(.99)) / 1000,
		"max":    micro(t.fleet.Latency.Max()) / 1000,
	}
	if t.server.program == "" {
		f["publish"] = micro(after.publishing-before.publishing) / float64(made)
	}
	if t.redisPID != 0 {
		f["redis"] = (micro(after.redis-before.redis) - idleRedis*micro(took)) / float64(made)
	}
	return f, nil
}

// spent is what has been used up to a moment: by the servers, by their calls of publish, by their Redis, and by the
// clients, which are in this process and have received so many bytes.
type spent struct {
	at                          time.Time
	cpu, publishing, redis, own time.Duration
	received                    int64
}

func (t *trial) spent() (s spent, err error) {
	if s.publishing, err = t.publishing(); err != nil {
		return s, err
	}
	if s.cpu, err = t.cpu(); err != nil {
		return s, err
	}
	if s.redis, err = t.redisCPU(); err != nil {
		return s, err
	}
	var own unix.Timespec
	err = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &own)
	s.own, s.at, s.received = time.Duration(own.Nano()), time.Now(), t.fleet.Received()
	return s, err
}

// idleShares are how much of a processor the servers and their Redis take while nothing happens.
func (t *trial) idleShares() (servers, redis float64, err error) {
	before, err := t.spent()
	if err != nil {
		return 0, 0, err
	}
	if err := t.rest(300 * time.Millisecond); err != nil {
		return 0, 0, err
	}
	after, err := t.spent()
	took := float64(after.at.Sub(before.at))
	return float64(after.cpu-before.cpu) / took, float64(after.redis-before.redis) / took, err
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
