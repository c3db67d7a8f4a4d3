package redisbroker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	// troubleLasts is how long Health tells of a trouble after it was last met. Who
	// suffers from one tries again sooner.
	troubleLasts = 5 * time.Second
	// silence is for how long the log doesn't say the same thing again.
	silence = time.Minute
)

// troubles are what Redis has refused lately, by their reasons, of which there is a
// fixed number. They are for the operator.
type troubles struct {
	// static
	logger *slog.Logger

	mu   sync.Mutex // guards the rest
	met  map[string]met
	said map[string]said // by message
}

// met is the last time that a trouble was met.
type met struct {
	err *push.Error
	at  time.Time
}

// said is the last time that something was said, and how often it was not since.
type said struct {
	at      time.Time
	leftOut int
}

func newTroubles(logger *slog.Logger) *troubles {
	return &troubles{logger: logger, met: map[string]met{}, said: map[string]said{}}
}

// note remembers and logs an error of which the operator should know; what comes of
// it is for others. It gives the error back.
func (t *troubles) note(err error) error {
	if err == nil {
		return nil
	}
	var r *refused
	var e *push.Error
	if !errors.As(err, &r) || !errors.As(err, &e) {
		return err
	}
	t.mu.Lock()
	t.met[e.Reason] = met{e, time.Now()}
	t.mu.Unlock()
	t.say(slog.LevelWarn, "redisbroker: "+e.Reason, "error", r)
	return err
}

// say logs what may happen often, once a minute, and reports whether it did. There
// must be few different messages.
func (t *troubles) say(level slog.Level, message string, args ...any) bool {
	now := time.Now()
	t.mu.Lock()
	last, again := t.said[message]
	silent := again && now.Sub(last.at) < silence
	if silent {
		last.leftOut++
		t.said[message] = last
	} else {
		t.said[message] = said{at: now}
	}
	t.mu.Unlock()
	if silent {
		return false
	}
	if last.leftOut > 0 {
		args = append(args, "left_out", last.leftOut)
	}
	t.logger.Log(context.Background(), level, message, args...)
	return true
}

// explain gives what Redis has refused lately, if the error doesn't say why it can't be
// reached: it hangs up on those whom it doesn't admit.
func (t *troubles) explain(err error) error {
	var r *refused
	if known := t.health(); known != nil && !errors.As(err, &r) {
		return known
	}
	return err
}

// health tells the trouble that was met last, if that was lately.
func (t *troubles) health() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last met
	for _, m := range t.met {
		if m.at.After(last.at) {
			last = m
		}
	}
	if last.err == nil || time.Since(last.at) >= troubleLasts {
		return nil
	}
	return last.err
}
