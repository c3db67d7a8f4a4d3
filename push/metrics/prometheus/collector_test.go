package tidewireprom

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/metrics"
	"github.com/tidewire/tidewire/transport"
)

// full has every figure, and texts that have to be escaped.
func full() push.Stats {
	var d broker.Durations
	for i := range 30 {
		d.Add(time.Microsecond << i)
	}
	var times broker.Histogram
	d.AddTo(&times)
	return push.Stats{
		Draining: true, Sessions: 3, Topics: 1 << 30, Memory: 123_456_789, Published: 1 << 60, Gaps: 1,
		Closed:  map[push.Code]uint64{"": 1, push.CodeDraining: 2},
		Refused: map[push.Code]uint64{push.CodeForbidden: 1e9},
		Transports: map[string]push.TransportStats{
			"ws":     {Sessions: 1, Opened: 2, Delivered: 3, Written: 1e15, Latency: times},
			"a\"\\b": {Sessions: 2},
		},
		Broker: &broker.Figures{Calls: 7, RoundTrips: times, Lag: 1234567 * time.Nanosecond},
	}
}

// TestCollectorAndWriterAreEqual: to the byte, whatever the figures are.
func TestCollectorAndWriterAreEqual(t *testing.T) {
	for name, stats := range map[string]push.Stats{"full": full(), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			c := NewCollector(push.New(membroker.New(), push.Options{})).(*collector)
			c.stats = func() push.Stats { return stats }
			registry.MustRegister(c)
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			var collected, written bytes.Buffer
			for _, family := range families {
				if _, err := expfmt.MetricFamilyToText(&collected, family); err != nil {
					t.Fatal(err)
				}
			}
			if err := metrics.Write(&written, stats); err != nil {
				t.Fatal(err)
			}
			want, got := strings.Split(collected.String(), "\n"), strings.Split(written.String(), "\n")
			for i := range max(len(want), len(got)) {
				if i >= len(want) || i >= len(got) || want[i] != got[i] {
					t.Fatalf("line %d differs.\ncollected:\n%s\nwritten:\n%s", i+1, collected.String(), written.String())
				}
			}
		})
	}
}

// TestMetricsAreWellFormed: what promtool checks of metrics.
func TestMetricsAreWellFormed(t *testing.T) {
	var written bytes.Buffer
	if err := metrics.Write(&written, full()); err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(&written).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestScrape has a hub with a client scraped over HTTP.
func TestScrape(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(hub))
	mux := http.NewServeMux()
	mux.Handle("/push/", transport.Routes(hub))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := httptest.NewServer(mux)
	defer server.Close()
	defer func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	stream := get(t, server.URL+"/push/sse?topic=a")
	defer stream.Body.Close()
	line := make([]byte, 1)
	if _, err := stream.Body.Read(line); err != nil { // the client is welcome
		t.Fatal(err)
	}
	answer := get(t, server.URL+"/metrics")
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	sessions := families["tidewire_sessions"].GetMetric()
	if len(sessions) != 1 || sessions[0].GetLabel()[0].GetValue() != "sse" || sessions[0].GetGauge().GetValue() != 1 {
		t.Errorf("sessions: %v", sessions)
	}
	if n := families["tidewire_subscriptions"].GetMetric()[0].GetGauge().GetValue(); n != 1 {
		t.Errorf("%v subscriptions", n)
	}
	for _, m := range metrics.All() {
		isOfBroker := strings.HasPrefix(m.Name, "tidewire_broker_")
		hasNone := m.Name == "tidewire_sessions_closed_total" || m.Name == "tidewire_refusals_total"
		if family := families[m.Name]; family == nil && !isOfBroker && !hasNone {
			t.Errorf("%s isn't scraped", m.Name)
		}
	}
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatal(fmt.Sprint(url, ": ", answer.Status))
	}
	return answer
}
