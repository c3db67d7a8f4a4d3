package dashboard

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// snapshot is what the page shows, as JSON. Times are in milliseconds, rates are per second.
type snapshot struct {
	Time     int64  `json:"time"` // since 1970
	Instance string `json:"instance"`
	Health   health `json:"health"`

	Sessions      int   `json:"sessions"`
	Topics        int   `json:"topics"`
	Subscriptions int   `json:"subscriptions"`
	Memory        int64 `json:"memory"`
	MemoryLimit   int64 `json:"memoryLimit"`
	Queued        int   `json:"queued"`
	QueuedBytes   int   `json:"queuedBytes"`
	DeepestQueue  int   `json:"deepestQueue"`
	Backlog       int   `json:"backlog"`

	Rates      *point      `json:"rates"` // null in the first
	Gaps       uint64      `json:"gaps"`
	Replayed   uint64      `json:"replayed"`
	Shed       uint64      `json:"shed"`
	Panics     uint64      `json:"panics"`
	Transports []transport `json:"transports"`
	Refused    []count     `json:"refused"`
	Closed     []count     `json:"closed"`
	// Recent is how far back what is counted as recent goes.
	Recent int64   `json:"recent"`
	Broker *figure `json:"broker"` // null if it has none

	Slowest []client `json:"slowest"`
	Busiest []topic  `json:"busiest"`
}

// health is a push.Health.
type health struct {
	Draining bool     `json:"draining"`
	Ready    bool     `json:"ready"`
	Reason   string   `json:"reason"` // why it isn't
	Warnings []string `json:"warnings"`
}

// transport is one transport.
type transport struct {
	Name      string  `json:"name"`
	Sessions  int     `json:"sessions"`
	Delivered float64 `json:"delivered"`
	Written   float64 `json:"written"`
	// Median and Slow are times of delivery that half of the messages, and 99 of 100, didn't
	// exceed lately: upper bounds. 0 if there were none, -1 if all bounds were exceeded.
	Median float64 `json:"median"`
	Slow   float64 `json:"slow"`
}

// count is of a code: "" is a client that left by itself.
type count struct {
	Code   push.Code `json:"code"`
	Total  uint64    `json:"total"`
	Recent uint64    `json:"recent"`
}

// figure is a broker.Figures.
type figure struct {
	Calls   float64 `json:"calls"`
	Errors  uint64  `json:"errors"`
	Repairs uint64  `json:"repairs"`
	Lag     float64 `json:"lag"`
	Slow    float64 `json:"slow"` // round trip, as transport.Slow
}

// client is a session.SurveyedClient.
type client struct {
	Name        string  `json:"name"`
	User        string  `json:"user"`
	Transport   string  `json:"transport"`
	Address     string  `json:"address"`
	Connected   int64   `json:"connected"` // for how long
	Topics      int     `json:"topics"`
	Queued      int     `json:"queued"`
	QueuedBytes int     `json:"queuedBytes"`
	Behind      float64 `json:"behind"`
	Written     uint64  `json:"written"`
}

// topic is a session.SurveyedTopic.
type topic struct {
	Topic      string  `json:"topic"`
	State      bool    `json:"state"`
	Followers  int     `json:"followers"`
	Messages   float64 `json:"messages"`
	Deliveries float64 `json:"deliveries"` // at most
}

// lately is how many samples the times of delivery are of.
const lately = 10

// newSnapshot makes a snapshot of samples, of which the last is now.
func newSnapshot(samples []sample, survey *session.Survey, h *push.Health) *snapshot {
	n := len(samples)
	now, oldest, before := &samples[n-1], &samples[0], &samples[max(0, n-2)]
	s := &now.stats
	shot := &snapshot{
		Time: now.at.UnixMilli(), Health: healthOf(h),
		Sessions: s.Sessions, Topics: s.Topics, Subscriptions: s.Subscriptions, Memory: s.Memory, MemoryLimit: s.MemoryLimit,
		Queued: s.Queued, QueuedBytes: s.QueuedBytes, DeepestQueue: s.DeepestQueue, Backlog: s.Backlog,
		Gaps: s.Gaps, Replayed: s.Replayed, Shed: s.Shed, Panics: s.Panics,
		Transports: transports(now, before, &samples[max(0, n-1-lately)]),
		Refused:    counts(s.Refused, oldest.stats.Refused), Closed: counts(s.Closed, oldest.stats.Closed),
		Recent: now.at.Sub(oldest.at).Milliseconds(), Broker: figureOf(now, before),
		Slowest: []client{}, Busiest: []topic{},
	}
	if n > 1 {
		p := pointOf(now, before)
		shot.Rates = &p
	}
	for i := range survey.Slowest {
		shot.Slowest = append(shot.Slowest, clientOf(&survey.Slowest[i], survey.At))
	}
	for _, t := range survey.Busiest {
		rate := perSecond(t.Messages, 0, survey.Interval)
		shot.Busiest = append(shot.Busiest, topic{t.Topic, t.State, t.Followers, rate, rate * float64(t.Followers)})
	}
	return shot
}

func healthOf(h *push.Health) health {
	to := health{Draining: h.Draining, Ready: true, Warnings: append([]string{}, h.Warnings...)}
	if err := h.Ready(); err != nil { // its cause, which may have addresses, is for the log
		to.Ready, to.Reason = false, push.AsError(err).Reason
	}
	return to
}

func transports(now, before, earlier *sample) []transport {
	all := []transport{}
	for _, name := range slices.Sorted(maps.Keys(now.stats.Transports)) {
		t, b, e := now.stats.Transports[name], before.stats.Transports[name], earlier.stats.Transports[name]
		median, slow := quantiles(t.Latency, e.Latency)
		all = append(all, transport{
			name, t.Sessions, perSecond(t.Delivered, b.Delivered, now.at.Sub(before.at)),
			perSecond(t.Written, b.Written, now.at.Sub(before.at)), median, slow,
		})
	}
	return all
}

// counts returns counts by code, the most first.
func counts(now, before map[push.Code]uint64) []count {
	all := []count{}
	for code, total := range now {
		all = append(all, count{code, total, total - before[code]})
	}
	slices.SortFunc(all, func(a, b count) int { return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Code, b.Code)) })
	return all
}

func figureOf(now, before *sample) *figure {
	b := now.stats.Broker
	if b == nil {
		return nil
	}
	last := before.stats.Broker
	_, slow := quantiles(b.RoundTrips, last.RoundTrips)
	return &figure{perSecond(b.Calls, last.Calls, now.at.Sub(before.at)), b.Errors, b.Repairs, milliseconds(b.Lag), slow}
}

// maxName is how much of a user's name is shown, in bytes.
const maxName = 1 << 10

// shown is a name, or its beginning.
func shown(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "") + "…"
}

func clientOf(c *session.SurveyedClient, now time.Time) client {
	return client{
		c.Name, shown(c.User), c.Transport, c.Address, max(0, now.Sub(c.Opened)).Milliseconds(), c.Topics, c.Queued, c.QueuedBytes,
		milliseconds(c.Behind), c.Written,
	}
}

// quantiles returns upper bounds of the median and of the 99th percentile of what was counted
// in between, in milliseconds.
func quantiles(now, before broker.Histogram) (median, slow float64) {
	counted := slices.Clone(now.Counts)
	total := uint64(0)
	for i := range counted {
		if i < len(before.Counts) {
			counted[i] -= before.Counts[i]
		}
		total += counted[i]
	}
	if total == 0 {
		return 0, 0
	}
	bound := func(least uint64) float64 {
		sum := uint64(0)
		for i, b := range now.Bounds {
			if sum += counted[i]; sum >= least {
				return milliseconds(b)
			}
		}
		return -1
	}
	return bound((total + 1) / 2), bound(total - total/100)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// perSecond is the rate of a counter.
func perSecond(now, before uint64, in time.Duration) float64 {
	if in <= 0 || now < before {
		return 0
	}
	rate := float64(now-before) / in.Seconds()
	return float64(int64(rate*100+0.5)) / 100
}
