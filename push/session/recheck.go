package session

import (
	"container/list"
	"context"
	"math/rand/v2"
	"sync"

	"github.com/tidewire/tidewire/push"
)

// reviews are the sessions whose rights are due to be asked again. A few of them
// are asked at a time, so that many clients that came together are no burst of
// questions, and an Authorize that hangs holds up only this. A session is in it once,
// however often it is due, and leaves it when it ends.
type reviews struct {
	mu      sync.Mutex // guards the rest; innermost
	due     list.List  // of sessions, in order
	places  map[*Session]*list.Element
	running int // goroutines that ask
}

// maxRechecks is how many sessions are asked about at once.
const maxRechecks = 16

// recheckSoon has a session's rights asked again, when its turn comes.
func (h *Host) recheckSoon(s *Session) {
	r := &h.reviews
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.places[s] != nil {
		return
	}
	if r.places == nil {
		r.places = map[*Session]*list.Element{}
	}
	r.places[s] = r.due.PushBack(s)
	if r.running < maxRechecks {
		r.running++
		h.work.Go(h.recheckDue)
	}
}

// recheckDue asks as long as sessions are due.
func (h *Host) recheckDue() {
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
	first := r.due.Front()
	if first == nil {
		r.running--
		return nil
	}
	s, _ := first.Value.(*Session)
	r.take(s)
	return s
}

// remove takes out a session that has ended.
func (r *reviews) remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(s)
}

// take takes out a session, if it is in there. Called with r.mu held.
func (r *reviews) take(s *Session) {
	if place := r.places[s]; place != nil {
		r.due.Remove(place)
		delete(r.places, s)
	}
}

// planRecheck sets when the session's rights are asked again, if they are. Called
// with s.mu held.
func (s *Session) planRecheck() {
	interval := min(s.hub.options.Recheck, forever)
	if interval > 0 && s.hub.options.Authorize != nil && !s.hub.public {
		s.review = s.hub.wheel.Now() + interval + rand.N(interval/10+1)
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
	var wait sync.WaitGroup
	for _, topic := range topics {
		wait.Go(func() {
			err := s.hub.authorize(ctx, s.access(push.ActionFollow, topic))
			switch {
			case err == nil:
			case push.AsError(err).Code.Final():
				s.withdraw(topic)
			default:
				s.hub.stats.unanswered.Add(1)
			}
		})
	}
	wait.Wait()
}
