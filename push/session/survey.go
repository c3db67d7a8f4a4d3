package session

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// Survey is what a host finds when it looks at all its clients and topics: what Stats sums up,
// by name. It is for operators, as it has names of users and topics, and addresses.
type Survey struct {
	At time.Time
	// Interval is the time since the survey before, or since the hub was made. The messages of
	// topics are counted in it.
	Interval time.Duration
	// Slowest are the clients for whom most bytes wait, most first. Those for whom nothing
	// waits aren't among them.
	Slowest []SurveyedClient
	// Busiest are the followed topics with the most deliveries, most first.
	Busiest []SurveyedTopic
}

// SurveyedClient is one connected client. It has nothing by which somebody could act for the
// client.
type SurveyedClient struct {
	// Name tells the client from others. It isn't the session's ID, which is as good as a
	// secret, but is made of it.
	Name      string
	User      string // "" if anonymous
	Transport string
	// Address is what Options.Limits know the client by, of IPv6 the first 64 bits; "" if there
	// is none.
	Address string
	Opened  time.Time
	Topics  int // that it follows
	// Queued frames, of QueuedBytes together, wait for the client.
	Queued, QueuedBytes int
	// Behind is how long the oldest live message waits that does; zero if none does. A message
	// that waits for more than half an hour seems to be newer.
	Behind time.Duration
	// Written is how many bytes of frames the client has got.
	Written uint64
}

// SurveyedTopic is a topic that is followed here.
type SurveyedTopic struct {
	Topic     string
	State     bool
	Followers int // now
	// Messages are those that came in the survey's Interval. A log delivers each to all
	// followers; a state may deliver fewer.
	Messages uint64
}

// deliveries is how many the topic's followers may have got.
func (t *SurveyedTopic) deliveries() uint64 { return t.Messages * uint64(t.Followers) }

// compare is negative for a topic that is busier than another.
func (t *SurveyedTopic) compare(other *SurveyedTopic) int {
	if c := cmp.Compare(other.deliveries(), t.deliveries()); c != 0 {
		return c
	}
	if c := cmp.Compare(other.Followers, t.Followers); c != 0 {
		return c
	}
	return cmp.Compare(t.Topic, other.Topic)
}

const (
	// surveySize is how many clients, and how many topics, a survey has.
	surveySize = 20
	// surveyAge is how long a survey is good for.
	surveyAge = 500 * time.Millisecond
	// surveyStep is how many entries of a map are looked at before others may have its lock.
	surveyStep = 512
)

// surveys has the last survey, for all who want one.
type surveys struct {
	mu   sync.Mutex // held while one is made; before all locks of the hub
	last Survey
}

// Survey looks at all clients and topics, of which it takes the locks for a look each: for
// 100,000 of each that is about 100 ms of one processor. It does so at most twice a second, however
// often it is called; nobody changes what it returns. Between surveys a message costs its topic
// one count.
func (h *Host) Survey() Survey {
	h.surveys.mu.Lock()
	defer h.surveys.mu.Unlock()
	now := time.Now()
	before := h.surveys.last.At
	if !before.IsZero() && now.Sub(before) < surveyAge {
		return h.surveys.last
	}
	if before.IsZero() {
		before = h.born
	}
	h.surveys.last = Survey{At: now, Interval: now.Sub(before), Slowest: h.slowest(), Busiest: h.busiest()}
	return h.surveys.last
}

// slowest returns the clients for whom most waits.
func (h *Host) slowest() []SurveyedClient {
	type waiting struct {
		session *Session
		size    int
	}
	var w waiting // one for all
	most := leaders[waiting]{func(a, b *waiting) int { return cmp.Compare(b.size, a.size) }, nil}
	eachEntry(&h.mu, h.sessions, func(batch []*Session) {
		for _, s := range batch {
			s.mu.Lock()
			size := s.outbox.size
			s.mu.Unlock()
			if size > 0 {
				w = waiting{s, size}
				most.add(&w)
			}
		}
	}, func(s *Session) *Session { return s })
	clients := make([]SurveyedClient, 0, len(most.all))
	for _, w := range most.all {
		if c := w.session.surveyed(); c.Queued > 0 {
			clients = append(clients, c)
		}
	}
	slices.SortStableFunc(clients, func(a, b SurveyedClient) int { return cmp.Compare(b.QueuedBytes, a.QueuedBytes) })
	return clients
}

// surveyed returns what a survey says of the client.
func (s *Session) surveyed() SurveyedClient {
	h := s.hub
	h.mu.Lock()
	transport := h.transports[s.transport].name
	h.mu.Unlock()
	name := nameOf(s.id)
	c := SurveyedClient{
		Name: hex.EncodeToString(name[:6]), User: s.Identity().User, Transport: transport, Opened: openedAt(s.id),
	}
	if s.slot != nil && s.slot.from.address.IsValid() {
		c.Address = s.slot.from.address.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Topics, c.Written = len(s.subscriptions), s.written
	c.Queued, c.QueuedBytes = s.outbox.count, s.outbox.size
	c.Behind = s.outbox.age(h.stampAt(time.Now()))
	return c
}

// age returns how long the first live message waits that does.
func (o *outbox) age(now stamp) time.Duration {
	for _, frames := range [][]*Frame{o.taken, o.queue} {
		for _, f := range frames {
			if f.arrived != 0 {
				return f.arrived.until(now)
			}
		}
	}
	return 0
}

// busiest returns the topics that deliver most, or that most clients follow where nothing
// comes, and begins to count again.
func (h *Host) busiest() []SurveyedTopic {
	type followed struct {
		feed      *feed
		followers int
	}
	most := leaders[SurveyedTopic]{(*SurveyedTopic).compare, nil}
	var t SurveyedTopic // one for all
	eachEntry(&h.mu, h.feeds, func(batch []followed) {
		for i := range batch {
			f := &batch[i]
			t = SurveyedTopic{Topic: f.feed.topic, State: f.feed.mirror != nil, Followers: f.followers, Messages: f.feed.countSinceSurvey()}
			if t.Followers > 0 {
				most.add(&t)
			}
		}
	}, func(f *feed) followed { return followed{f, f.followers} })
	return most.all
}

// countSinceSurvey returns how many messages came since it was called before. Called with
// surveys.mu held.
func (f *feed) countSinceSurvey() uint64 {
	count := f.count.Load()
	defer func() { f.surveyed = count }()
	return count - f.surveyed
}

// eachEntry shows do all values of a map, some at a time and without its lock. What read
// returns of each is read with the lock held. What comes or goes meanwhile may be left out.
func eachEntry[K comparable, V, C any](mu *sync.Mutex, m map[K]V, do func([]C), read func(V) C) {
	batch := make([]C, 0, surveyStep)
	mu.Lock()
	defer mu.Unlock()
	flush := func() {
		mu.Unlock()
		defer mu.Lock()
		do(batch)
		clear(batch)
		batch = batch[:0]
	}
	for _, v := range m {
		if batch = append(batch, read(v)); len(batch) == surveyStep {
			flush()
		}
	}
	flush()
}

// leaders are the first surveySize of many values, in order.
type leaders[T any] struct {
	compare func(a, b *T) int
	all     []T
}

func (l *leaders[T]) add(value *T) {
	at := len(l.all)
	for at > 0 && l.compare(value, &l.all[at-1]) < 0 {
		at--
	}
	if at == surveySize {
		return
	}
	l.all = slices.Insert(l.all, at, *value)
	l.all = l.all[:min(len(l.all), surveySize)]
}
