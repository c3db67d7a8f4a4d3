package push

import (
	"context"
	"math/rand/v2"
	"sync"
)

// reviews are the sessions whose rights are due to be asked again. A few of them
// are asked at a time, so that many clients that came together are no burst of
// questions, and an Authorize that hangs holds up only this.
type reviews struct {
	mu      sync.Mutex // guards the rest; innermost
	due     []*Session
	running int // goroutines that ask
}

// maxRechecks is how many sessions are asked about at once.
const maxRechecks = 16

// recheckSoon has a session's rights asked again, when its turn comes.
func (h *Hub) recheckSoon(s *Session) {
	r := &h.reviews
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = append(r.due, s)
	if r.running < maxRechecks {
		r.running++
		h.work.Go(h.recheckDue)
	}
}

// recheckDue asks as long as sessions are due.
func (h *Hub) recheckDue() {
	for s := h.reviews.next(); s != nil; s = h.reviews.next() {
		s.recheck(context.Background())
		s.mu.Lock()
		s.planRecheck()
		s.setTimer()
		s.mu.Unlock()
	}
}

// next takes the session that has waited longest; nil if none is due.
func (r *reviews) next() *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.due) == 0 {
		r.due = nil
		r.running--
		return nil
	}
	s := r.due[0]
	r.due = r.due[1:]
	return s
}

// planRecheck sets when the session's rights are asked again, if they are. Called
// with s.mu held.
func (s *Session) planRecheck() {
	interval := s.hub.options.Recheck
	if interval > 0 && s.hub.options.Authorize != nil && !s.hub.public {
		s.review = s.hub.wheel.now() + interval + rand.N(interval/10+1)
	}
}

// recheck asks whether the client may still follow the topics that it follows, all
// at once. At the first refusal it is sent away. No answer, which is a timeout or
// whatever else may pass, changes nothing.
func (s *Session) recheck(ctx context.Context) {
	s.mu.Lock()
	var topics []string
	if !s.over {
		for _, sub := range s.subscriptions {
			topics = append(topics, sub.feed.topic)
		}
	}
	s.mu.Unlock()
	identity := s.Identity()
	var wait sync.WaitGroup
	for _, topic := range topics {
		wait.Go(func() {
			err := s.hub.authorize(ctx, Access{Identity: identity, Action: ActionFollow, Topic: topic})
			switch {
			case err == nil:
			case AsError(err).Code.Retry() == RetryNever:
				s.retreat(topic)
			default:
				s.hub.stats.unanswered.Add(1)
			}
		})
	}
	wait.Wait()
}
