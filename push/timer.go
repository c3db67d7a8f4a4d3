package push

import "time"

// timing is a session's place in the hub's wheel.
type timing struct {
	tick  int64 // when it is due; 0 if it isn't in the wheel
	index int   // in its slot
}

// setTimer puts the session into the wheel for what is due next. Called with s.mu
// held.
func (s *Session) setTimer() {
	if s.over {
		return
	}
	if next := s.nextDue(); next > 0 {
		s.hub.wheel.set(s, next)
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
	if s.patience > 0 {
		if waiting := time.Duration(s.waiting.Load()); waiting > 0 {
			sooner(waiting + s.patience)
		} else {
			sooner(s.hub.wheel.now() + s.patience)
		}
	}
	return next
}

// look does what is due.
func (s *Session) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.hub.wheel.now()
	waiting := time.Duration(s.waiting.Load())
	switch {
	case s.expiry > 0 && now >= s.expiry:
		s.finish(errExpired)
	case s.patience > 0 && waiting > 0 && now >= waiting+s.patience:
		if s.writing {
			s.Await() // the ping may still be on its way, behind what the client reads; the write's timeout watches it
		} else {
			s.finish(errSilent)
		}
	case s.beat > 0 && now >= s.beat:
		s.enqueue(s.pulse)
		s.beat = now + s.interval
	case s.review > 0 && now >= s.review:
		s.review = 0
		s.hub.recheckSoon(s)
	}
	s.setTimer()
}

var errSilent = Errorf(CodeTimeout, "no answer to the heartbeat", nil)
