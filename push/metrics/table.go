// Package metrics names the figures of a hub, as monitoring systems know them. [Write] writes
// them as Prometheus reads them:
//
//	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
//		w.Header().Set("Content-Type", metrics.ContentType)
//		metrics.Write(w, hub.Stats())
//	})
//
// A program that has a Prometheus registry takes the collector of
// push/metrics/prometheus instead, and one with OpenTelemetry push/metrics/otel. Both are
// modules of their own, and make the same metrics from the same table.
//
// docs/operate.md says what each metric is good for. No metric has a topic or a user as a
// label: there may be millions of them.
package metrics

import (
	"slices"
	"strings"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Kind is what a metric's value may do.
type Kind uint8

// The kinds.
const (
	Gauge     Kind = iota // may rise and fall
	Counter               // only rises, from zero at the start of the hub
	Histogram             // counts times, in seconds
)

// Metric is one metric of a hub.
type Metric struct {
	// Name is that of Prometheus: a counter's ends with _total.
	Name string
	Help string
	Kind Kind
	// Unit is "seconds", "bytes" or "".
	Unit string
	// Label is the name of the label that distinguishes its samples; "" if there is only
	// one.
	Label string

	read func(s *push.Stats) []Sample
}

// Sample is one value of a metric.
type Sample struct {
	// Label is the value of the metric's label.
	Label string
	// Value is what is measured, unless the metric is a Histogram.
	Value float64
	// Times are those of a Histogram.
	Times broker.Histogram
}

// Read returns the metric's samples in order of their labels. There are none of what a hub
// hasn't: a transport that had no client yet, or a broker without figures.
func (m *Metric) Read(s *push.Stats) []Sample { return m.read(s) }

// All returns all metrics.
func All() []Metric { return slices.Clone(table) }

var table = []Metric{
	{
		"tidewire_draining", "1 while the hub is shutting down, otherwise 0.",
		Gauge, "", "", one(isDraining),
	},
	{
		"tidewire_sessions", "Connected clients; of poll, those whose request waits.",
		Gauge, "", transport, each(func(t *push.TransportStats) int { return t.Sessions }),
	},
	{
		"tidewire_sessions_opened_total", "Clients that were let in; of poll, requests.",
		Counter, "", transport, each(func(t *push.TransportStats) uint64 { return t.Opened }),
	},
	{
		"tidewire_sessions_closed_total", "Clients that are gone, by why; client_left is the usual end.",
		Counter, "", reason, byCode(func(s *push.Stats) map[push.Code]uint64 { return s.Closed }),
	},
	{
		"tidewire_refusals_total", "Requests, topics and messages of clients that were refused, by why.",
		Counter, "", reason, byCode(func(s *push.Stats) map[push.Code]uint64 { return s.Refused }),
	},
	{
		"tidewire_topics", "Topics that somebody follows here.",
		Gauge, "", "", one(func(s *push.Stats) int { return s.Topics }),
	},
	{
		"tidewire_subscriptions", "Topics that clients follow here, counted for each client.",
		Gauge, "", "", one(func(s *push.Stats) int { return s.Subscriptions }),
	},
	{
		"tidewire_revocations", "Revocations and restorations that are kept.",
		Gauge, "", "", one(func(s *push.Stats) int { return s.Revocations }),
	},

	{
		"tidewire_published_total", "Messages that were published here.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Published }),
	},
	{
		"tidewire_deliveries_total", "Live messages for clients, counted for each.",
		Counter, "", transport, each(func(t *push.TransportStats) uint64 { return t.Delivered }),
	},
	{
		"tidewire_written_bytes_total", "Bytes that were written to clients, without what HTTP and TLS add.",
		Counter, "bytes", transport, each(func(t *push.TransportStats) uint64 { return t.Written }),
	},
	{
		"tidewire_delivery_latency_seconds", "Time from when a live message came to this instance to when a client's socket took it, of a sample.",
		Histogram, "seconds", transport, latencies,
	},
	{
		"tidewire_replayed_total", "Messages from history for clients that came back.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Replayed }),
	},
	{
		"tidewire_gaps_total", "Gaps that clients were told of: messages that they will never get.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Gaps }),
	},

	{
		"tidewire_queue_messages", "Frames that wait for clients to read, counted for each.",
		Gauge, "", "", one(func(s *push.Stats) int { return s.Queued }),
	},
	{
		"tidewire_queue_bytes", "Bytes of the frames that wait for clients to read, counted for each.",
		Gauge, "bytes", "", one(func(s *push.Stats) int { return s.QueuedBytes }),
	},
	{
		"tidewire_queue_deepest_bytes", "Bytes that wait for the client that has the most.",
		Gauge, "bytes", "", one(func(s *push.Stats) int { return s.DeepestQueue }),
	},
	{
		"tidewire_shard_backlog", "Messages that wait for a processor to deliver them.",
		Gauge, "", "", one(func(s *push.Stats) int { return s.Backlog }),
	},
	{
		"tidewire_memory_bytes", "Bytes that wait for clients, shared ones once, and the maps of states.",
		Gauge, "bytes", "", one(func(s *push.Stats) int64 { return s.Memory }),
	},
	{
		"tidewire_memory_limit_bytes", "The most that tidewire_memory_bytes may be.",
		Gauge, "bytes", "", one(func(s *push.Stats) int64 { return s.MemoryLimit }),
	},
	{
		"tidewire_state_bytes", "Bytes of the maps of states that are followed here.",
		Gauge, "bytes", "", one(func(s *push.Stats) int64 { return s.States }),
	},
	{
		"tidewire_sessions_shed_total", "Clients that were cut because all together held too much memory.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Shed }),
	},

	{
		"tidewire_state_lagged_total", "Times that a client of a state didn't read in time, and skipped to the newest values.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Lagged }),
	},
	{
		"tidewire_state_resets_total", "Times that all clients of a state got all of it again, because its history broke.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Resets }),
	},
	{
		"tidewire_withdrawn_total", "Clients that lost a topic, and were asked to reconnect.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Withdrawn }),
	},
	{
		"tidewire_rechecks_unanswered_total", "Times that Authorize gave no answer about a client's rights, and is asked again.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Unanswered }),
	},
	{
		"tidewire_hook_panics_total", "Panics of the application's hooks.",
		Counter, "", "", one(func(s *push.Stats) uint64 { return s.Panics }),
	},

	{
		"tidewire_broker_calls_total", "Commands that were sent to the store.",
		Counter, "", "", ofBroker(func(f *broker.Figures) uint64 { return f.Calls }),
	},
	{
		"tidewire_broker_errors_total", "Commands that the store has refused, or didn't answer.",
		Counter, "", "", ofBroker(func(f *broker.Figures) uint64 { return f.Errors }),
	},
	{
		"tidewire_broker_round_trip_seconds", "Time from sending commands to the store to their answers.",
		Histogram, "seconds", "", roundTrips,
	},
	{
		"tidewire_broker_repairs_total", "Reads of history because live messages from the store were missed.",
		Counter, "", "", ofBroker(func(f *broker.Figures) uint64 { return f.Repairs }),
	},
	{
		"tidewire_broker_lag_seconds", "Time that the last probe took through the store's notifications, or has taken so far.",
		Gauge, "seconds", "", ofBroker(func(f *broker.Figures) float64 { return f.Lag.Seconds() }),
	},
}

// Names of labels.
const (
	transport = "transport"
	reason    = "reason"
)

// clientLeft is the reason of a session that ended because its client left.
const clientLeft = "client_left"

func isDraining(s *push.Stats) int {
	if s.Draining {
		return 1
	}
	return 0
}

type numeric interface{ int | int64 | uint64 | float64 }

func one[N numeric](get func(*push.Stats) N) func(*push.Stats) []Sample {
	return func(s *push.Stats) []Sample { return []Sample{{Value: float64(get(s))}} }
}

func each[N numeric](get func(*push.TransportStats) N) func(*push.Stats) []Sample {
	return byLabel(func(t *push.TransportStats) Sample { return Sample{Value: float64(get(t))} })
}

func latencies(s *push.Stats) []Sample {
	return byLabel(func(t *push.TransportStats) Sample { return Sample{Times: t.Latency} })(s)
}

func byLabel(get func(*push.TransportStats) Sample) func(*push.Stats) []Sample {
	return func(s *push.Stats) []Sample {
		samples := make([]Sample, 0, len(s.Transports))
		for name, t := range s.Transports {
			sample := get(&t)
			sample.Label = name
			samples = append(samples, sample)
		}
		return sorted(samples)
	}
}

// byCode has a sample for each code that has come.
func byCode(get func(*push.Stats) map[push.Code]uint64) func(*push.Stats) []Sample {
	return func(s *push.Stats) []Sample {
		counts := get(s)
		samples := make([]Sample, 0, len(counts))
		for code, n := range counts {
			label := string(code)
			if label == "" {
				label = clientLeft
			}
			samples = append(samples, Sample{Label: label, Value: float64(n)})
		}
		return sorted(samples)
	}
}

func ofBroker[N numeric](get func(*broker.Figures) N) func(*push.Stats) []Sample {
	return func(s *push.Stats) []Sample {
		if s.Broker == nil {
			return nil
		}
		return []Sample{{Value: float64(get(s.Broker))}}
	}
}

func roundTrips(s *push.Stats) []Sample {
	if s.Broker == nil {
		return nil
	}
	return []Sample{{Times: s.Broker.RoundTrips}}
}

func sorted(samples []Sample) []Sample {
	slices.SortFunc(samples, func(a, b Sample) int { return strings.Compare(a.Label, b.Label) })
	return samples
}
