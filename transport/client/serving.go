package client

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// serving is the life of one connection. One goroutine reads; from the welcome on another
// writes what there is to do, and waits for what is due.
type serving struct {
	client *Client
	link   link
	cancel context.CancelCauseFunc
	stream bool              // an event stream
	topics []protocol.Follow // what it is opened with
	work   sync.WaitGroup

	// for the reader
	welcomed  time.Time
	heartbeat time.Duration
	ending    *trouble // what the server has said of the end that is to come

	// guarded by client.mu
	asked  map[string]*Subscription // asked for, over this connection
	recent bool                     // the server takes Recent
	logs   bool                     // and no states
	pong   bool                     // one is due
}

const (
	heartbeatSlack = 10 * time.Second
	// A server that doesn't say how often it sends something, or says something odd, is
	// believed to live for so long.
	standardHeartbeat, longestHeartbeat = 30 * time.Second, 5 * time.Minute
)

// serve reads until the connection ends. The trouble is nil if nothing is wrong. The timer
// is stopped at the welcome.
func (s *serving) serve(ctx context.Context, connecting *time.Timer) *trouble {
	for {
		patience := s.client.options.ConnectTimeout
		if !s.welcomed.IsZero() {
			patience = s.heartbeat + heartbeatSlack
		}
		text, t := s.link.read(patience)
		if t != nil {
			return s.end(ctx, t)
		}
		frame, err := protocol.ParseFrame(text)
		if err != nil {
			return &trouble{err: err}
		}
		if frame.Type == protocol.TypeWelcome && s.welcomed.IsZero() {
			connecting.Stop()
			s.welcome(ctx, &frame)
		}
		if !s.take(ctx, &frame) {
			return s.end(ctx, broken(context.Cause(ctx)))
		}
	}
}

// end says why the connection ended: what was meant to happen before what the server has
// said, and that before what came of it.
func (s *serving) end(ctx context.Context, t *trouble) *trouble {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRestart):
		return nil
	case s.ending != nil:
		s.ending.after = max(s.ending.after, t.after)
		return s.ending
	case cause != nil && t.foreign:
		return broken(cause)
	default:
		return t
	}
}

func (s *serving) welcome(ctx context.Context, f *protocol.Frame) {
	s.welcomed, s.heartbeat = time.Now(), min(f.Heartbeat, longestHeartbeat)
	if s.heartbeat <= 0 {
		s.heartbeat = standardHeartbeat
	}
	c := s.client
	c.mu.Lock()
	c.lastErr = nil
	s.recent, s.logs = slices.Contains(f.Features, protocol.FeatureRecent), !slices.Contains(f.Features, protocol.FeatureState)
	c.mu.Unlock()
	about := []any{"url", c.base.Redacted(), "transport", c.way(), "session", f.Session}
	if f.DoesExpire {
		about = append(about, "expires", f.Expires)
	}
	c.options.Logger.Debug("client: connected", about...)
	s.work.Go(func() { s.write(ctx) })
	if s.stream && c.options.Transport == Automatic {
		s.work.Go(func() { s.probe(ctx) })
	}
}

// take acts on a frame, and reports false if ctx has ended before it could.
func (s *serving) take(ctx context.Context, f *protocol.Frame) bool {
	switch f.Type {
	case protocol.TypeMessage:
		return s.message(ctx, f)
	case protocol.TypeGap:
		return s.gap(ctx, f)
	case protocol.TypeState, protocol.TypeSynced, protocol.TypeReset:
		s.state(f)
	case protocol.TypeWelcome:
		return s.answers(ctx, 0, f.Answers)
	case protocol.TypeSubscribed:
		return !f.IsAnswer || s.answers(ctx, f.Request, f.Answers)
	case protocol.TypeReply:
		s.client.answer(f.Request, f.Reply, nil)
	case protocol.TypeError:
		if f.IsAnswer {
			return s.refusal(ctx, f)
		}
		s.ending = refused(f.Failure)
	case protocol.TypeReconnect:
		s.ending = &trouble{err: push.NewError(push.CodeDraining, "the server asks to reconnect", nil), after: f.After}
	case protocol.TypePing:
		s.client.mu.Lock()
		s.pong = true
		s.client.mu.Unlock()
		signal(s.client.changed)
	}
	return true
}

// message queues a message, and moves the topic's cursor once that is done.
func (s *serving) message(ctx context.Context, f *protocol.Frame) bool {
	sub, at := s.following(f.Message.Topic)
	if sub == nil || sub.state != nil {
		return true
	}
	m := f.Message
	e := Event{Message: &m, Cursor: moved(at, f.At)}
	m.Position = positionOf(e.Cursor, m.Topic)
	if !sub.queue.add(ctx, e) {
		return false
	}
	s.move(sub, e.Cursor)
	return true
}

func (s *serving) gap(ctx context.Context, f *protocol.Frame) bool {
	sub, _ := s.following(f.Gap.Topic)
	if sub == nil || sub.state != nil {
		return true
	}
	if !sub.queue.add(ctx, Event{Gap: &f.Gap, Cursor: f.Cursor}) {
		return false
	}
	s.move(sub, f.Cursor)
	return true
}

// state applies what the server says of a state, and moves the topic's cursor once that is
// done. A reset takes it: elsewhere it may be good, and the map would lack what was forgotten.
func (s *serving) state(f *protocol.Frame) {
	sub, at := s.following(f.State.Topic)
	if sub == nil || sub.state == nil {
		return
	}
	sub.state.take(f)
	switch f.Type {
	case protocol.TypeReset:
		s.unlocate(sub)
	case protocol.TypeState:
		s.move(sub, moved(at, f.At))
	default:
		s.move(sub, f.Cursor)
	}
}

// following returns the subscription of a topic that the server has confirmed, and its
// cursor if messages move that.
func (s *serving) following(topic string) (sub *Subscription, at string) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	sub = s.asked[topic]
	if sub == nil || !sub.confirmed {
		return nil, ""
	}
	if sub.located {
		at = sub.cursor
	}
	return sub, at
}

// move notes the cursor after what was queued, if there is one.
func (s *serving) move(sub *Subscription, cursor string) {
	if cursor == "" {
		return
	}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	sub.cursor, sub.located = cursor, true
}

// unlocate forgets the cursor.
func (s *serving) unlocate(sub *Subscription) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	sub.cursor, sub.located = "", false
}

// refusal takes an error that answers a request: a send, or a subscribe as a whole.
func (s *serving) refusal(ctx context.Context, f *protocol.Frame) bool {
	s.client.answer(f.Request, push.Reply{}, refused(f.Failure))
	s.client.mu.Lock()
	var answers []protocol.Answer
	for topic, sub := range s.asked {
		if sub.request == f.Request && !sub.confirmed {
			answers = append(answers, protocol.Answer{Topic: topic, Failure: f.Failure})
		}
	}
	s.client.mu.Unlock()
	return s.answers(ctx, f.Request, answers)
}

// answers takes what became of topics that a request asked for.
func (s *serving) answers(ctx context.Context, request uint64, answers []protocol.Answer) bool {
	for _, a := range answers {
		s.client.mu.Lock()
		sub := s.asked[a.Topic]
		isAnswer := sub != nil && sub.request == request && !sub.confirmed
		first, begins := false, isAnswer && a.Failure == nil && sub.state != nil
		switch {
		case !isAnswer:
		case a.Failure == nil:
			first = sub.grant(a.Cursor)
		default:
			first = s.refuse(sub, a.Failure)
		}
		s.client.mu.Unlock()
		if begins {
			sub.state.begin(a)
		}
		switch {
		case !first:
		case a.Failure == nil:
			close(sub.ready)
		case a.Failure.Final():
			sub.end(a.Failure.Error(), false)
		default:
			s.client.options.Logger.Warn("client: a topic is refused for now", "topic", a.Topic, "error", a.Failure.Error())
			if !sub.refused(ctx, a.Failure.Error()) {
				return false
			}
		}
	}
	return true
}

// refusedAll takes why a connection was refused. If that is what became of each of its topics,
// and all are answered, nothing is wrong with the connection: their subscriptions get to know, and
// the next one is for what is to be asked for then.
func (s *serving) refusedAll(ctx context.Context, t *trouble) *trouble {
	refused := slices.DeleteFunc(t.topics, func(a protocol.Answer) bool { return a.Failure == nil })
	if len(refused) == 0 || !s.answers(ctx, 0, refused) {
		return t
	}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if len(s.asked) > 0 {
		return t
	}
	s.client.lastErr = nil
	return nil
}

// grant notes that the server has confirmed a topic, and reports whether that is the first
// time. Called with client.mu held.
func (s *Subscription) grant(cursor string) (first bool) {
	s.confirmed, s.refusals, s.again = true, 0, time.Time{}
	if s.located = cursor != ""; s.located {
		s.cursor = cursor
		s.queue.locate(cursor)
	}
	first, s.granted = !s.granted, true
	return first
}

// refuse notes that the server has refused a topic, and reports whether its subscription
// gets to know. Called with client.mu held.
func (s *serving) refuse(sub *Subscription, f *protocol.Failure) (first bool) {
	c := s.client
	delete(s.asked, sub.topic)
	if f.Final() {
		if c.subscriptions[sub.topic] == sub {
			delete(c.subscriptions, sub.topic)
		}
		return true
	}
	sub.again, sub.refusal = time.Now().Add(c.backoff.wait(sub.refusals, f.After)), f.Error()
	sub.refusals++
	signal(c.changed)
	return sub.refusals == 1
}
