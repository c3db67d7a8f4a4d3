package session

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/limit"
)

// Meter measures what one connected client sends, against Limits.Requests and
// Limits.Sends. The zero value is ready. It is owned by who reads from the client.
type Meter struct{ frames, sends limit.Bucket }

// CountFrame counts a frame that the client has sent, of whatever kind, before it is dealt
// with. With an error, which is push.CodeRateLimited, the client is to be closed.
func (s *Session) CountFrame(m *Meter) error {
	if s.waiting.Load() < 0 {
		s.ExpectInput()
	}
	return tooManyFrames(m.frames.Take(limit.Rate(s.hub.limiter.limits.Requests), s.hub.wheel.Now()))
}

// CountTopics counts the topics that a client asks to follow, before anything is done about
// them: each weighs as much as a frame, and the first is that of the frame itself,
// which CountFrame has counted. With an error, which is push.CodeRateLimited, the client is to be
// closed.
func (s *Session) CountTopics(m *Meter, topics int) error {
	r, now := limit.Rate(s.hub.limiter.limits.Requests), s.hub.wheel.Now()
	if topics <= 1 || r == (limit.Rate{}) {
		return nil
	}
	wait := m.frames.Wait(r, min(topics, r.Burst)-1, now)
	if wait == 0 {
		m.frames.Spend(r, topics-1, now)
	}
	return tooManyFrames(wait)
}

func tooManyFrames(wait time.Duration) error {
	if err := tooFast(wait, "too many frames in too short a time", "Requests"); err != nil {
		return err
	}
	return nil
}

// Inbound takes a message from the session's client to Receive; see [Host.Inbound].
// Identity and Session of the message are the session's.
func (s *Session) Inbound(ctx context.Context, m *Meter, in push.Inbound) (push.Reply, error) {
	wait := m.sends.Take(limit.Rate(s.hub.limiter.limits.Sends), s.hub.wheel.Now())
	if err := tooFast(wait, tooManySends, "Sends"); err != nil {
		return push.Reply{}, s.hub.refuse(err)
	}
	in.Identity, in.Session = s.Identity(), s.ID()
	reply, err := s.hub.Inbound(ctx, in)
	if err != nil {
		return push.Reply{}, s.refused(ctx, err, "send", in.Topic)
	}
	return reply, nil
}

const tooManySends = "too many messages in too short a time"
