package session

import "github.com/tidewire/tidewire/push/cursor"

// UserSurvey is what a host finds of one user, for operators.
type UserSurvey struct {
	User string
	// Connections is how many the user has here, and Clients are the oldest of them, at most
	// 20.
	Connections int
	Clients     []SurveyedConnection
}

// SurveyedConnection is a client with its topics.
type SurveyedConnection struct {
	SurveyedClient
	// Follows are the first topics that the client follows, at most 100.
	Follows []SurveyedFollow
}

// SurveyedFollow is where a client is in one topic.
type SurveyedFollow struct {
	Topic string
	State bool
	// Phase is "live", or what the client is doing before it is: "joining" until its
	// subscription was announced, "replaying" while it gets what it has missed, "lagging"
	// while it gets what it lacks of a state.
	Phase string
	// Head is the offset of the topic's last message here, and Offset that before the first
	// frame that waits for the client: about where its own cursor is. It is 0 while the client
	// lags, and Lacking how many keys it lacks then.
	Head, Offset uint64
	Lacking      int
	// Queued frames of the topic, of QueuedBytes together, wait for the client. They are among
	// those of the client.
	Queued, QueuedBytes int

	feed *feed
}

// maxSurveyedFollows is how many topics of one client a survey has.
const maxSurveyedFollows = 100

// SurveyUser looks for the clients of a user among all that are connected here. Anonymous
// clients, whose user is "", can't be surveyed: then there are none.
func (h *Host) SurveyUser(user string) UserSurvey {
	survey := UserSurvey{User: user}
	if user == "" {
		return survey
	}
	oldest := leaders[*Session]{func(a, b **Session) int { return openedAt((*a).id).Compare(openedAt((*b).id)) }, nil}
	eachEntry(&h.mu, h.sessions, func(batch []*Session) {
		for i, s := range batch {
			if s.Identity().User == user {
				survey.Connections++
				oldest.add(&batch[i])
			}
		}
	}, func(s *Session) *Session { return s })
	for _, s := range oldest.all {
		survey.Clients = append(survey.Clients, SurveyedConnection{s.surveyed(), s.surveyFollows()})
	}
	return survey
}

// surveyFollows returns where the client is in its first topics.
func (s *Session) surveyFollows() []SurveyedFollow {
	follows := s.phases()
	for i := range follows {
		f := &follows[i]
		f.feed.mu.Lock()
		f.Head = f.feed.head.Offset
		f.feed.mu.Unlock()
		if f.Offset == unknownOffset {
			f.Offset = f.Head
		}
		f.Offset = min(f.Offset, f.Head)
	}
	return follows
}

// unknownOffset is where a client is for whom nothing waits: at the head.
const unknownOffset = ^uint64(0)

func (s *Session) phases() []SurveyedFollow {
	s.mu.Lock()
	defer s.mu.Unlock()
	subscriptions := s.subscriptions[:min(len(s.subscriptions), maxSurveyedFollows)]
	follows := make([]SurveyedFollow, 0, len(subscriptions))
	index := make(map[string]int, len(subscriptions))
	for _, sub := range subscriptions {
		index[sub.feed.topic] = len(follows)
		follows = append(follows, sub.surveyed())
	}
	for _, frames := range [][]*Frame{s.outbox.taken, s.outbox.queue} {
		for _, frame := range frames {
			if i, ok := index[frame.Topic]; ok {
				follows[i].wait(frame)
			}
		}
	}
	return follows
}

// surveyed returns where a client is, but for what waits for it. Called with session.mu held.
func (sub *subscription) surveyed() SurveyedFollow {
	f := SurveyedFollow{Topic: sub.feed.topic, State: sub.feed.mirror != nil, Phase: "live", Offset: unknownOffset, feed: sub.feed}
	c := sub.catchUp
	switch {
	case sub.state == held:
		f.Phase, f.Offset = "joining", c.start().Offset
	case sub.state == replaying:
		f.Phase, f.Offset = "replaying", c.start().Offset
	case f.State && c != nil:
		f.Phase, f.Offset, f.Lacking = "lagging", 0, len(c.lag.snapshot)+c.lag.keys.len()
	}
	return f
}

// wait notes a frame that waits for the client.
func (f *SurveyedFollow) wait(frame *Frame) {
	f.Queued++
	f.QueuedBytes += frame.size()
	if f.Queued > 1 || frame.Cursor == "" || f.Phase == "lagging" {
		return
	}
	at, _ := cursor.Parse(frame.Cursor)
	if place, ok := at.Position(f.Topic); ok {
		f.Offset = max(place.Offset, 1) - 1
	}
}
