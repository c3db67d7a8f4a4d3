package session

import (
	"context"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Follow asks for one topic.
type Follow struct {
	Topic string
	// Since is the client's cursor; empty if it has none. One that can't be
	// read leads to a gap, not to an error.
	Since string
	// Recent is how many of the topic's last messages a client gets first that has no
	// cursor, or whose cursor leads to a gap. History may have fewer, and
	// Options.ReplayMessages and ReplayBytes bound them.
	Recent int
	// State says that the client takes the topic for a state. If that isn't so, or isn't
	// said of a state, the topic is refused with push.CodeWrongKind. A state has no Recent.
	State bool
	// Refused is why the transport refuses the topic, about which nobody else is asked then.
	// Its answer has no cursor.
	Refused *push.Error
}

// From says where a client's view of a topic begins.
type From string

// The beginnings.
const (
	FromNow    From = "now"    // with the next message
	FromCursor From = "cursor" // after the client's cursor, or with a gap
	FromRecent From = "recent" // with the last messages

	// FromSnapshot is with all keys of a state topic.
	FromSnapshot From = "snapshot"
)

// Followed answers a Follow.
type Followed struct {
	Topic string
	From  From
	// Cursor is the client's place in the topic; empty if its own cursor can't
	// be read, or if the topic was followed before. A refused topic keeps the
	// slot that the client came with.
	Cursor string
	// Epoch is that of the versions of a state topic's keys; zero for a log.
	Epoch broker.Epoch
	// Err says why the topic is refused; From is then empty.
	Err *push.Error
}

// AllRefused gives the first refusal if topics were asked for and all were
// refused, else nil.
func AllRefused(answers []Followed) *push.Error {
	if len(answers) == 0 {
		return nil
	}
	for _, a := range answers {
		if a.Err == nil {
			return nil
		}
	}
	return answers[0].Err
}

// Subscribe makes the session follow topics. It asks Authorize for each, and
// queues the frame that announce makes of the answers before anything else of
// these topics; without announce, or with a frame of nil, nothing is announced. All begin together, when each is
// allowed or refused, which takes Options.AccessTimeout at most: until then nothing of
// them waits for the client. A topic that is followed already stays as it is.
//
// Subscribe and Unsubscribe of one session must not be called at the same time.
func (s *Session) Subscribe(ctx context.Context, follows []Follow, announce func([]Followed) *Frame) {
	if !s.enter() {
		return
	}
	defer s.exit()
	identity := s.identity.Load()
	answers := make([]Followed, len(follows))
	feeds := make([]*feed, len(follows)) // nil where the topic isn't new, or is refused
	places := startingPlaces(follows)
	for i := range places {
		places[i].recent = min(max(0, places[i].recent), s.hub.options.ReplayMessages)
	}
	following, room := s.followed()
	asked := map[string]int{} // where each topic is asked for first, if it is new
	var wait sync.WaitGroup
	for i, f := range follows {
		answers[i].Topic = f.Topic
		_, twice := asked[f.Topic]
		switch {
		case f.Refused != nil:
			answers[i].Err = s.refused(ctx, f.Refused, "topic", f.Topic)
		case twice: // answered below
		case following[f.Topic]:
			answers[i].From = FromCursor
		case room == 0:
			answers[i].Cursor = places[i].cursor(f.Topic)
			answers[i].Err = push.NewError(push.CodeLimitReached, "too many topics on one connection", nil)
		default:
			room--
			asked[f.Topic] = i
			if len(follows) == 1 || places[i].from != FromRecent && !f.State && s.hub.atOnce(f.Topic) {
				feeds[i], answers[i] = s.follow(ctx, f, &places[i])
				break
			}
			wait.Go(func() { feeds[i], answers[i] = s.follow(ctx, f, &places[i]) })
		}
	}
	wait.Wait()
	for i, f := range follows {
		if first, asks := asked[f.Topic]; asks && first != i {
			answers[i] = again(answers[first])
		}
	}
	added := s.attach(feeds, places, answers)
	for _, sub := range added {
		sub.join()
	}
	if !s.admit(added, made(announce, answers)) {
		for _, sub := range added {
			s.hub.leave(sub)
			s.forget(sub)
		}
		return
	}
	s.enforce() // a topic may have been revoked meanwhile
	if s.identity.Load() != identity {
		s.identityChanged() // or the client refreshed
	}
}

// again answers a topic that the same request has asked for before.
func again(first Followed) Followed {
	if first.Err == nil {
		first.From = FromCursor // it is followed already
	}
	return first
}

func made(announce func([]Followed) *Frame, answers []Followed) *Frame {
	if announce == nil {
		return nil
	}
	return announce(answers)
}

// enter makes Shutdown wait for a call, unless the session is over.
func (s *Session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.hub.work.Add()
		s.calls++
	}
	return !s.over
}

// exit ends a call that enter or lasts has begun.
func (s *Session) exit() {
	defer s.hub.work.Done()
	s.mu.Lock()
	s.calls--
	late := s.calls == 0 && s.untold
	s.mu.Unlock()
	if late {
		s.hookDisconnected(s.reason)
	}
}

// admit makes attached subscriptions part of the session, unless that is over.
func (s *Session) admit(added []*subscription, announcement *Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.subscriptions = append(slices.Grow(s.subscriptions, len(added)), added...)
	if s.enqueue(announcement) {
		s.startBeating()
	}
	for _, sub := range added {
		sub.release()
	}
	return true
}

// attach attaches the session to feeds, held, and completes their answers: from now on
// is from this moment.
func (s *Session) attach(feeds []*feed, places []startingPlace, answers []Followed) []*subscription {
	added := make([]*subscription, 0, len(feeds))
	for i, f := range feeds {
		if f == nil {
			continue
		}
		sub := newSubscription(s, f, places[i])
		f.attach(sub)
		added = append(added, sub)
		if f.mirror != nil {
			answers[i].Epoch, answers[i].Cursor = sub.catchUp.head.Epoch, places[i].cursor(f.topic)
			continue
		}
		switch c := sub.catchUp; {
		case c.start().IsZero():
		case c.from == FromCursor && c.since.Offset == 0 && (c.outdated || c.start() != c.head):
			answers[i].Cursor = places[i].cursor(f.topic) // it gets no younger
		default:
			answers[i].Cursor = f.cursor(c.start())
		}
	}
	return added
}

// follow asks for one topic, and counts the session among the followers of its feed.
func (s *Session) follow(ctx context.Context, f Follow, start *startingPlace) (*feed, Followed) {
	topic := f.Topic
	refused := func(err error) (*feed, Followed) {
		return nil, Followed{Topic: topic, Cursor: start.cursor(topic), Err: s.refused(ctx, err, "topic", topic)}
	}
	if err := broker.CheckFollowed(topic); err != nil {
		return refused(err)
	}
	action := push.ActionFollow
	if start.from != FromNow {
		action = push.ActionResume
	}
	if start.from != FromNow || f.State {
		if err := s.countResume(topic, start); err != nil {
			return refused(err)
		}
	}
	if err := s.hub.authorize(ctx, s.access(action, topic)); err != nil {
		return refused(err)
	}
	if err := s.checkKind(f); err != nil {
		return refused(err)
	}
	feed, err := s.hub.follow(ctx, s, topic)
	if err != nil {
		return refused(err)
	}
	if feed.mirror != nil {
		if err := feed.reach(ctx); err != nil {
			s.hub.unfollow(feed)
			return refused(err)
		}
		return feed, Followed{Topic: feed.topic, From: start.stateFrom()}
	}
	if start.from == FromRecent {
		if start.position, err = feed.recent(ctx, start.recent); err != nil {
			s.hub.unfollow(feed)
			return refused(err)
		}
	}
	return feed, Followed{Topic: feed.topic, From: start.from}
}

// checkKind refuses a client that takes a state for a log, or a log for a state.
func (s *Session) checkKind(f Follow) error {
	_, able := s.format.(StateFormat)
	if of, members := broker.MembersOf(f.Topic); members && (s.hub.present == nil || !s.hub.present.covers(of)) {
		return push.NewError(push.CodeForbidden, "the members of this topic aren't kept", nil)
	}
	switch isState := s.hub.isState(f.Topic); {
	case isState && !able:
		return push.NewError(push.CodeWrongKind, "the topic is a state, which this format can't tell", nil)
	case isState && !f.State:
		return push.NewError(push.CodeWrongKind, "the topic is a state; ask for it as one", nil)
	case f.State && !isState:
		return push.NewError(push.CodeWrongKind, "the topic is a log, not a state", nil)
	case f.State && f.Recent > 0:
		return push.NewError(push.CodeBadRequest, "a state has no last messages; it comes as a whole", nil)
	}
	return nil
}

// countResume counts against Limits.Resumes. A client that gets one answer at a time comes
// back for each, so for it only what may cost a read of history counts.
func (s *Session) countResume(topic string, start *startingPlace) error {
	if _, ok := s.conn.(Collector); ok && s.hub.hasAtHand(topic, start.position) {
		return nil
	}
	if err := tooFast(s.hub.limiter.resumes.take(s, s.hub.wheel.Now()), "too many topics resumed in too short a time", "Resumes"); err != nil {
		return err
	}
	return nil
}

// Unsubscribe ends the following of topics and queues the frame that announce
// makes, if it is given. Nothing of these topics is queued after it.
func (s *Session) Unsubscribe(topics []string, announce func() *Frame) {
	if !s.lasts() {
		return
	}
	defer s.exit()
	for _, sub := range s.release(topics, announce) {
		s.hub.leave(sub)
	}
}

// lasts makes Shutdown wait for a call, unless the session has ended.
func (s *Session) lasts() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.hub.work.Add()
		s.calls++
	}
	return !s.ended
}

// release takes subscriptions out of the session.
func (s *Session) release(topics []string, announce func() *Frame) (released []*subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topic := range topics {
		sub := s.find(topic)
		if sub == nil {
			continue
		}
		i := slices.Index(s.subscriptions, sub)
		s.subscriptions = slices.Delete(s.subscriptions, i, i+1)
		sub.stop()
		released = append(released, sub)
	}
	if announce != nil {
		s.enqueue(announce())
	}
	return released
}

// followed gives the topics that the session follows, and how many more it may.
func (s *Session) followed() (topics map[string]bool, room int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics = make(map[string]bool, len(s.subscriptions))
	for _, sub := range s.subscriptions {
		topics[sub.feed.topic] = true
	}
	return topics, max(0, s.hub.options.MaxTopics-len(topics))
}
