package session

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"time"

	"github.com/tidewire/tidewire/push"
)

// errNoMemory refuses what would only make it worse.
var errNoMemory = &push.Error{Code: push.CodeUnavailable, Reason: "too much waits for the clients of this instance", After: 2 * time.Second}

const (
	// shedPause is the least time from one look at all sessions to the next.
	shedPause = 20 * time.Millisecond
	// newsPause is how often the log is told at most.
	newsPause = time.Minute
)

// burden is what one session holds.
type burden struct {
	session *Session
	bytes   int64
}

// party is whose sessions are weighed together: those of one user, else of one address
// that counts, else one alone.
type party struct {
	user  string
	place *slot
	alone *Session
}

func (s *Session) party() party {
	switch user := s.Identity().User; {
	case user != "":
		return party{user: user}
	case s.slot != nil && s.hub.limiter.counts(s.slot.from):
		return party{place: s.slot}
	default:
		return party{alone: s}
	}
}

// name says who it is, for the log.
func (p party) name() string {
	switch {
	case p.user != "":
		return "user " + p.user
	case p.place != nil:
		return "address " + p.place.from.address.String()
	default:
		return "session " + p.alone.ID()
	}
}

// holdings are what a party's sessions hold, the largest last.
type holdings struct {
	party   party
	bytes   int64
	burdens []burden
}

// holdingsHeap has the greediest party first.
type holdingsHeap []*holdings

func (h *holdingsHeap) Len() int           { return len(*h) }
func (h *holdingsHeap) Less(i, j int) bool { return (*h)[i].bytes > (*h)[j].bytes }
func (h *holdingsHeap) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *holdingsHeap) Push(x any)         { *h = append(*h, x.(*holdings)) }
func (h *holdingsHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// relieve has sessions cut, unless that is under way.
func (m *memory) relieve() {
	if !m.shedding.Load() && m.shedding.CompareAndSwap(false, true) {
		m.hub.work.Go(m.shed)
	}
}

// shed cuts the greediest sessions until low is reached.
func (m *memory) shed() {
	for again := true; again; {
		cut, freed, greediest := m.shedOnce()
		m.report(cut, freed, greediest)
		time.Sleep(shedPause)
		again = cut > 0 && m.full()
	}
	m.shedding.Store(false)
}

// shedOnce looks at all sessions once. It cuts the largest of the party that holds the
// most, and again; the greediest is the party that was first.
func (m *memory) shedOnce() (cut int, freed int64, greediest holdings) {
	m.hub.mu.Lock()
	sessions := slices.Collect(maps.Values(m.hub.sessions))
	m.hub.mu.Unlock()
	var burdens []burden
	var leaving int64
	for _, s := range sessions {
		switch bytes, leaves := s.burden(); {
		case leaves:
			leaving += bytes
		case bytes > 0:
			burdens = append(burdens, burden{s, bytes})
		}
	}
	for parties := weigh(burdens); len(parties) > 0 && m.used.Load()-leaving > m.low; {
		if cut == 0 {
			greediest = *parties[0]
		}
		b := parties.next()
		leaving += b.session.shed()
		freed += b.bytes
		cut++
	}
	return cut, freed, greediest
}

// weigh gathers what parties hold.
func weigh(burdens []burden) holdingsHeap {
	slices.SortFunc(burdens, func(a, b burden) int { return cmp.Compare(a.bytes, b.bytes) })
	of := map[party]*holdings{}
	for _, b := range burdens {
		p := b.session.party()
		if of[p] == nil {
			of[p] = &holdings{party: p}
		}
		of[p].bytes += b.bytes
		of[p].burdens = append(of[p].burdens, b)
	}
	h := holdingsHeap(slices.Collect(maps.Values(of)))
	heap.Init(&h)
	return h
}

// next takes out the largest burden of the greediest party.
func (h *holdingsHeap) next() burden {
	first := (*h)[0]
	last := len(first.burdens) - 1
	b := first.burdens[last]
	first.burdens, first.bytes = first.burdens[:last], first.bytes-b.bytes
	if last == 0 {
		heap.Pop(h)
	} else {
		heap.Fix(h, 0)
	}
	return b
}

// burden is what the session holds. One that leaves for that reason is hurried.
func (s *Session) burden() (bytes int64, leaves bool) {
	s.mu.Lock()
	bytes, leaves = s.holds(), s.over && s.reason != nil && s.reason.Code == push.CodeSlowConsumer
	s.mu.Unlock()
	if leaves && bytes > 0 {
		s.conn.Abort()
	}
	return bytes, leaves
}

// shed cuts the session. What is being written can't wait for the client to read the
// reason: the connection is dropped. It gives what is still held until then.
func (s *Session) shed() int64 {
	s.mu.Lock()
	s.cutForMemory()
	left := s.holds()
	s.mu.Unlock()
	if left > 0 {
		s.conn.Abort()
	}
	return left
}

// holds is what the session keeps from others. Of what it shares it has its share, so
// that one of many that wait for the same messages weighs little. Called with s.mu held.
func (s *Session) holds() int64 {
	o := &s.outbox
	bytes := o.paid + o.extra
	if o.keeps {
		bytes += sharesOf(o.taken) + sharesOf(o.queue)
	}
	for _, sub := range s.subscriptions {
		if c := sub.catchUp; c != nil {
			bytes += sharesOf(c.pending)
			for _, e := range c.missed {
				bytes += e.share()
			}
		}
	}
	return bytes
}

func sharesOf(frames []*Frame) (bytes int64) {
	for _, f := range frames {
		bytes += int64(f.size()) / int64(max(1, f.keepers.Load()))
	}
	return bytes
}

// shedNews is what the log hasn't been told yet.
type shedNews struct {
	at    time.Duration // when it was told last, on the hub's clock; 0 if never
	cut   int
	freed int64
}

// report tells the log, now and then, what was done.
func (m *memory) report(cut int, freed int64, greediest holdings) {
	m.mu.Lock()
	m.news.cut += cut
	m.news.freed += freed
	news, now := m.news, m.hub.wheel.Now()
	if news.cut == 0 || news.at > 0 && now-news.at < newsPause {
		m.mu.Unlock()
		return
	}
	m.news = shedNews{at: max(now, 1)}
	m.mu.Unlock()
	m.hub.options.Logger.Warn("push: clients hold too much memory; the greediest were cut, and come back with their cursors",
		"cut", news.cut, "held", news.freed, "limit", m.limit,
		"greediest", greediest.party.name(), "sessions", len(greediest.burdens), "holding", greediest.bytes)
}
