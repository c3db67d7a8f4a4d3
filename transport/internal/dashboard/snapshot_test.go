package dashboard

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

func histogram(times ...time.Duration) (h broker.Histogram) {
	var d broker.Durations
	for _, t := range times {
		d.Add(t)
	}
	d.AddTo(&h)
	return h
}

func TestQuantiles(t *testing.T) {
	before := histogram(4*time.Second, 4*time.Second)
	many := []time.Duration{4 * time.Second, 4 * time.Second}
	for range 98 {
		many = append(many, time.Millisecond)
	}
	for _, test := range []struct {
		name         string
		now, before  broker.Histogram
		median, slow float64
	}{
		{"nothing was counted", broker.Histogram{}, broker.Histogram{}, 0, 0},
		{"nothing new was counted", before, before, 0, 0},
		{"one", histogram(2 * time.Millisecond), broker.Histogram{}, 2.5, 2.5},
		{"two of a hundred are slow", histogram(many...), broker.Histogram{}, 1, 5000},
		{"what is new is fast", histogram(many...), before, 1, 1},
		{"over all bounds", histogram(time.Hour), broker.Histogram{}, -1, -1},
	} {
		if median, slow := quantiles(test.now, test.before); median != test.median || slow != test.slow {
			t.Errorf("%s: %v, %v", test.name, median, slow)
		}
	}
}

// TestSnapshotBoundsNames: each viewer gets them every second.
func TestSnapshotBoundsNames(t *testing.T) {
	survey := session.Survey{}
	for range 20 {
		survey.Slowest = append(survey.Slowest, session.SurveyedClient{User: strings.Repeat("<é>\u202e", 64<<10)})
	}
	now := []sample{{at: time.Now()}}
	s := newSnapshot(now, &survey, &push.Health{})
	user := s.Slowest[0].User
	if len(event("snapshot", s)) > 128<<10 || !strings.HasSuffix(user, "…") || !utf8.ValidString(user) {
		t.Errorf("%d bytes; the user has %d", len(event("snapshot", s)), len(user))
	}
	survey.Slowest[0].User = strings.Repeat("a", maxName)
	if whole := newSnapshot(now, &survey, &push.Health{}).Slowest[0].User; whole != survey.Slowest[0].User {
		t.Errorf("a usual name became %q", whole)
	}
}

func TestSnapshotTellsWhatIsRecent(t *testing.T) {
	start := time.Now()
	samples := []sample{
		{start, push.Stats{Published: 10, Refused: map[push.Code]uint64{"forbidden": 3}}},
		{start.Add(time.Second), push.Stats{Published: 20, Refused: map[push.Code]uint64{"forbidden": 3}}},
		{start.Add(3 * time.Second), push.Stats{
			Published: 50, Sessions: 7, Refused: map[push.Code]uint64{"forbidden": 5, "timeout": 9},
			Transports: map[string]push.TransportStats{"ws": {Sessions: 7, Delivered: 100, Written: 3000}},
		}},
	}
	survey := session.Survey{Interval: 2 * time.Second, Busiest: []session.SurveyedTopic{{Topic: "a", Followers: 3, Messages: 5}}}
	s := newSnapshot(samples, &survey, &push.Health{Draining: true})
	if s.Rates.Published != 15 || s.Rates.Written != 1500 || s.Rates.Refused != 5.5 || s.Recent != 3000 || s.Health.Ready || s.Health.Reason == "" {
		t.Errorf("%+v, rates %+v", s, s.Rates)
	}
	if len(s.Refused) != 2 || s.Refused[0] != (count{"timeout", 9, 9}) || s.Refused[1] != (count{"forbidden", 5, 2}) {
		t.Errorf("refused: %v", s.Refused)
	}
	if len(s.Transports) != 1 || s.Transports[0] != (transport{Name: "ws", Sessions: 7, Delivered: 50, Written: 1500}) {
		t.Errorf("transports: %v", s.Transports)
	}
	if len(s.Busiest) != 1 || s.Busiest[0] != (topic{"a", false, 3, 2.5, 7.5}) {
		t.Errorf("topics: %v", s.Busiest)
	}
	if first := newSnapshot(samples[:1], &survey, &push.Health{}); first.Rates != nil || first.Broker != nil || first.Refused[0].Recent != 0 {
		t.Errorf("the first: %+v", first)
	}
}
