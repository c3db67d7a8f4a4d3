package session

import (
	"math/rand/v2"
	"time"

	"github.com/tidewire/tidewire/push"
)

// setTimer puts the session into the wheel for what is due next. Called with s.mu
// held.
func (s *Session) setTimer() {
	if s.over {
		return
	}
	if next := s.nextDue(); next > 0 {
		s.hub.wheel.Set(s, next)
	}
}

// nextDue is when the session has to look at the clock again; 0 if it hasn't.
func (s *Session) nextDue() time.Duration {
	next := s.expiry
	sooner := func(at time.Duration) {
		if next == 0 || at < next {
			next = at
		}
	}
	if s.beat > 0 {
		sooner(s.beat)
	}
	if s.review > 0 {
		sooner(s.review)
	}
	if s.age > 0 {
		sooner(time.Duration(s.age) * time.Second)
	}
	switch waiting := time.Duration(s.waiting.Load()); {
	case waiting < 0 && !s.asked:
		sooner(-waiting + s.silence()/2)
	case waiting < 0:
		sooner(-waiting + s.silence())
	case s.patience > 0 && waiting > 0:
		sooner(waiting + s.patience)
	case s.patience > 0:
		sooner(s.hub.wheel.Now() + s.patience)
	}
	return next
}

// onTimer does what is due.
func (s *Session) onTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.hub.wheel.Now()
	waiting := time.Duration(s.waiting.Load())
	switch {
	case s.expiry > 0 && now >= s.expiry:
		s.finish(errExpired)
	case waiting < 0 && now >= -waiting+s.silence():
		s.finish(errMute)
	case waiting < 0 && !s.asked && now >= -waiting+s.silence()/2:
		s.asked = true
		s.enqueue(s.pulse)
	case s.patience > 0 && waiting > 0 && now >= waiting+s.patience:
		if s.writing {
			s.ExpectInput() // the ping may still be on its way, behind what the client reads; the write's timeout watches it
		} else {
			s.finish(errSilent)
		}
	case s.beat > 0 && now >= s.beat:
		s.enqueue(s.pulse)
		s.beat = now + s.interval
	case s.review > 0 && now >= s.review:
		s.review = 0
		s.hub.recheckSoon(s)
	case s.age > 0 && now >= time.Duration(s.age)*time.Second:
		s.enqueue(s.format.Reconnect(int(ReconnectDelay().Milliseconds())))
		s.finish(errAged)
	}
	s.setTimer()
}

// silence is how long a client may take to say its first word.
func (s *Session) silence() time.Duration {
	limit := s.hub.limiter.limits.Silence
	if s.patience > 0 {
		return min(s.patience, limit)
	}
	return limit
}

// ageFrom is when a session that begins now is to be renewed, in seconds on the hub's
// clock; 0 is never. Those that began together end apart.
func ageFrom(l *push.Limits, now time.Duration) uint32 {
	if l.Age >= forever {
		return 0
	}
	lives := l.Age - rand.N(l.Age/10+1)
	return uint32((now + lives + time.Second - 1) / time.Second)
}

var (
	errSilent = push.NewError(push.CodeTimeout, "no answer to the heartbeat", nil)
	errMute   = push.NewError(push.CodeTimeout, "nothing was said", nil)
	errAged   = push.NewError(push.CodeDraining, "connected for long enough; come back with the cursor", nil)
)
