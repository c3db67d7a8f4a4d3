// Package tidewireprom collects the figures of a hub for Prometheus:
//
//	prometheus.MustRegister(tidewireprom.NewCollector(hub))
//
// The metrics are those of package push/metrics, which writes them without a registry.
package tidewireprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/metrics"
)

// NewCollector returns a collector of a hub's figures. It reads them at each scrape, and
// counts nothing itself. A process with several hubs registers each by
// [prometheus.WrapRegistererWith] with a label that distinguishes them.
func NewCollector(hub *push.Hub) prometheus.Collector {
	c := &collector{stats: hub.Stats}
	for _, m := range metrics.All() {
		c.metrics = append(c.metrics, described{m, prometheus.NewDesc(m.Name, m.Help, labels(m.Label), nil)})
	}
	return c
}

type collector struct {
	stats   func() push.Stats
	metrics []described
}

type described struct {
	metrics.Metric
	desc *prometheus.Desc
}

// labels returns the one label that a metric may have.
func labels(label string) []string {
	if label == "" {
		return nil
	}
	return []string{label}
}

// Describe is part of [prometheus.Collector].
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		to <- m.desc
	}
}

// Collect is part of [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	stats := c.stats()
	for _, m := range c.metrics {
		for _, sample := range m.Read(&stats) {
			var values []string
			if m.Label != "" {
				values = []string{sample.Label}
			}
			switch m.Kind {
			case metrics.Gauge:
				to <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, sample.Value, values...)
			case metrics.Counter:
				to <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, sample.Value, values...)
			case metrics.Histogram:
				times := sample.Times
				to <- prometheus.MustNewConstHistogram(m.desc, times.Count(), times.Sum.Seconds(), buckets(times), values...)
			}
		}
	}
}

// buckets are the counts up to each bound, all below it among them.
func buckets(times broker.Histogram) map[float64]uint64 {
	all := make(map[float64]uint64, len(times.Bounds))
	var n uint64
	for i, bound := range times.Bounds {
		n += times.Counts[i]
		all[bound.Seconds()] = n
	}
	return all
}
