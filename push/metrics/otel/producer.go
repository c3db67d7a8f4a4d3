package tidewireotel

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/metrics"
)

// NewProducer returns a producer of a hub's metrics for a reader of the SDK, which calls it
// at each collection; it counts nothing itself. Make it when the hub is made: counters count
// from then on.
//
// The metrics are those of package push/metrics, with the names of OpenTelemetry:
// tidewire_written_bytes_total is tidewire.written, in bytes. An exporter to Prometheus gives
// them back their own.
func NewProducer(hub *push.Hub) metric.Producer {
	return &producer{stats: hub.Stats, begun: time.Now()}
}

type producer struct {
	stats func() push.Stats
	begun time.Time
}

// Produce is part of [metric.Producer].
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	stats, now := p.stats(), time.Now()
	produced := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: scope}}
	for _, m := range metrics.All() {
		samples := m.Read(&stats)
		if len(samples) == 0 {
			continue
		}
		produced.Metrics = append(produced.Metrics, metricdata.Metrics{
			Name: name(m), Description: m.Help, Unit: units[m.Unit], Data: p.data(m, samples, now),
		})
	}
	return []metricdata.ScopeMetrics{produced}, nil
}

func (p *producer) data(m metrics.Metric, samples []metrics.Sample, now time.Time) metricdata.Aggregation {
	if m.Kind == metrics.Histogram {
		h := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
		for _, s := range samples {
			h.DataPoints = append(h.DataPoints, metricdata.HistogramDataPoint[float64]{
				Attributes: attributes(m, s), StartTime: p.begun, Time: now,
				Count: s.Times.Count(), Sum: s.Times.Sum.Seconds(), Bounds: bounds(s.Times), BucketCounts: s.Times.Counts,
			})
		}
		return h
	}
	points := make([]metricdata.DataPoint[float64], len(samples))
	for i, s := range samples {
		points[i] = metricdata.DataPoint[float64]{Attributes: attributes(m, s), StartTime: p.begun, Time: now, Value: s.Value}
	}
	if m.Kind == metrics.Counter {
		return metricdata.Sum[float64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
	}
	return metricdata.Gauge[float64]{DataPoints: points}
}

// units are those of UCUM.
var units = map[string]string{"seconds": "s", "bytes": "By"}

// name is a metric's name with neither unit nor kind, which OpenTelemetry has apart.
func name(m metrics.Metric) string {
	n := strings.TrimSuffix(m.Name, "_total")
	if m.Unit != "" {
		n = strings.TrimSuffix(n, "_"+m.Unit)
	}
	return strings.Replace(n, "_", ".", 1)
}

func attributes(m metrics.Metric, s metrics.Sample) attribute.Set {
	if m.Label == "" {
		return *attribute.EmptySet()
	}
	return attribute.NewSet(attribute.String(m.Label, s.Label))
}

func bounds(times broker.Histogram) []float64 {
	all := make([]float64, len(times.Bounds))
	for i, bound := range times.Bounds {
		all[i] = bound.Seconds()
	}
	return all
}
