package follow

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	// problemLasts is how long Health reports a problem after it last occurred. Whoever
	// suffers from one tries again sooner.
	problemLasts = 5 * time.Second
	// logInterval is the least time between two equal log messages.
	logInterval = time.Minute
)

// problems are what the store has refused lately, by reason, of which there are few. They
// are for the operator.
type problems struct {
	// static
	name   string
	logger *slog.Logger

	mu     sync.Mutex // guards the rest
	recent map[string]problem
	logged map[string]logged // by message
}

// problem is the last occurrence of one.
type problem struct {
	err *push.Error
	at  time.Time
}

// logged is when a message was last logged, and how often it was left out since.
type logged struct {
	at      time.Time
	leftOut int
}

func newProblems(name string, logger *slog.Logger) *problems {
	return &problems{name: name, logger: logger, recent: map[string]problem{}, logged: map[string]logged{}}
}

// note remembers and logs an error of which the operator should know, and returns the
// error, with which the caller goes on.
func (p *problems) note(err error) error {
	if err == nil {
		return nil
	}
	var r *RefusalError
	var e *push.Error
	if !errors.As(err, &r) || !errors.As(err, &e) {
		return err
	}
	p.mu.Lock()
	p.recent[e.Reason] = problem{e, time.Now()}
	p.mu.Unlock()
	p.log(slog.LevelWarn, e.Reason, "error", r)
	return err
}

// log logs what may happen often, at most once a minute, and reports whether it did.
// There must be few different messages.
func (p *problems) log(level slog.Level, message string, args ...any) bool {
	now := time.Now()
	p.mu.Lock()
	last, again := p.logged[message]
	silent := again && now.Sub(last.at) < logInterval
	if silent {
		last.leftOut++
		p.logged[message] = last
	} else {
		p.logged[message] = logged{at: now}
	}
	p.mu.Unlock()
	if silent {
		return false
	}
	if last.leftOut > 0 {
		args = append(args, "left_out", last.leftOut)
	}
	p.logger.Log(context.Background(), level, p.name+": "+message, args...)
	return true
}

// explain returns what the store has refused lately if the error itself doesn't say why
// the store can't be reached: some hang up on those that they don't admit.
func (p *problems) explain(err error) error {
	var r *RefusalError
	if known := p.health(); known != nil && !errors.As(err, &r) {
		return known
	}
	return err
}

// health returns the problem that occurred last, if that was lately.
func (p *problems) health() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var last problem
	for _, known := range p.recent {
		if known.at.After(last.at) {
			last = known
		}
	}
	if last.err == nil || time.Since(last.at) >= problemLasts {
		return nil
	}
	return last.err
}
