package dashboard

import (
	"bytes"
	"context"
	"os"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

const (
	// interval is how often a snapshot is made while somebody looks.
	interval = time.Second
	// maxHistory is how many snapshots the graphs show.
	maxHistory = 120
	// maxPause is how long after a snapshot the next still continues the graphs.
	maxPause = 3 * time.Second
)

// sampler makes snapshots, which all viewers share.
type sampler struct {
	hub      *push.Hub
	host     *session.Host
	instance string
	ended    context.Context // for Health, which doesn't wait then

	mu      sync.Mutex // guards the rest; held while a snapshot is made
	samples []sample   // the newest last; at most maxHistory
	last    made
}

// sample is what is kept of a snapshot.
type sample struct {
	at    time.Time
	stats push.Stats
}

// made is a snapshot as it is written.
type made struct {
	event    []byte
	draining bool
}

func newSampler(hub *push.Hub, host *session.Host) *sampler {
	s := &sampler{hub: hub, host: host}
	s.instance, _ = os.Hostname() // without a name the page has none
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	s.ended = ended
	return s
}

// begin returns the first snapshot of a new viewer and what was before it.
func (s *sampler) begin() (first made, history []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew(interval * 3 / 2)
	return s.last, event("history", points(s.samples))
}

// next returns the snapshot of this second, which the first viewer makes that asks for it.
func (s *sampler) next() made {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew(interval / 2)
	return s.last
}

// renew makes a snapshot if the last is older than that. Called with s.mu held.
func (s *sampler) renew(age time.Duration) {
	now := time.Now()
	if n := len(s.samples); n > 0 {
		switch since := now.Sub(s.samples[n-1].at); {
		case since < age && since >= 0:
			return
		case since > maxPause:
			s.samples = nil
		}
	}
	if len(s.samples) == maxHistory {
		copy(s.samples, s.samples[1:])
		s.samples = s.samples[:maxHistory-1]
	}
	s.samples = append(s.samples, sample{now, s.hub.Stats()})
	survey, health := s.host.Survey(), s.hub.Health(s.ended)
	shot := newSnapshot(s.samples, &survey, &health)
	shot.Instance = s.instance
	s.last = made{event("snapshot", shot), health.Draining}
}

// event encodes an event of the stream.
func event(name string, data any) []byte {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(encoded(data))
	b.WriteString("\n\n")
	return b.Bytes()
}
