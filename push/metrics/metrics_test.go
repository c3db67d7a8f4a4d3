package metrics_test

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/metrics"
)

func TestNamesAreOfPrometheus(t *testing.T) {
	name := regexp.MustCompile(`^tidewire_[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, m := range metrics.All() {
		switch {
		case !name.MatchString(m.Name), seen[m.Name]:
			t.Errorf("%s is no name, or there twice", m.Name)
		case (m.Kind == metrics.Counter) != strings.HasSuffix(m.Name, "_total"):
			t.Errorf("%s: a counter, and nothing else, ends with _total", m.Name)
		case m.Unit != "" && !strings.Contains(m.Name, "_"+m.Unit):
			t.Errorf("%s doesn't name its unit, %s", m.Name, m.Unit)
		case m.Kind == metrics.Histogram && m.Unit != "seconds":
			t.Errorf("%s counts times, in seconds", m.Name)
		case m.Label != "" && m.Label != "transport" && m.Label != "reason":
			t.Errorf("%s has the label %q, of which there may be many", m.Name, m.Label)
		case !strings.HasSuffix(m.Help, "."):
			t.Errorf("%s: the help is no sentence: %s", m.Name, m.Help)
		}
		seen[m.Name] = true
	}
}

// TestEveryFigureIsAMetric changes each field of Stats, which must change a metric.
func TestEveryFigureIsAMetric(t *testing.T) {
	changes := func(what string, change func(s *push.Stats, t *push.TransportStats, b *broker.Figures)) {
		t.Helper()
		write := func(changed bool) string {
			s, ts, b := push.Stats{}, push.TransportStats{}, broker.Figures{}
			if changed {
				change(&s, &ts, &b)
			}
			s.Transports, s.Broker = map[string]push.TransportStats{"ws": ts}, &b
			var text strings.Builder
			if err := metrics.Write(&text, s); err != nil {
				t.Fatal(err)
			}
			return text.String()
		}
		if write(false) == write(true) {
			t.Errorf("%s is no metric", what)
		}
	}
	for field := range reflect.TypeFor[push.Stats]().Fields() {
		switch field.Name {
		case "Transports", "Broker", "Sessions", "Delivered": // the last two are sums of those of transports
			continue
		}
		changes(field.Name, func(s *push.Stats, _ *push.TransportStats, _ *broker.Figures) {
			set(reflect.ValueOf(s).Elem().FieldByIndex(field.Index))
		})
	}
	for field := range reflect.TypeFor[push.TransportStats]().Fields() {
		changes(field.Name, func(_ *push.Stats, ts *push.TransportStats, _ *broker.Figures) {
			set(reflect.ValueOf(ts).Elem().FieldByIndex(field.Index))
		})
	}
	for field := range reflect.TypeFor[broker.Figures]().Fields() {
		changes(field.Name, func(_ *push.Stats, _ *push.TransportStats, b *broker.Figures) {
			set(reflect.ValueOf(b).Elem().FieldByIndex(field.Index))
		})
	}
}

func set(v reflect.Value) {
	switch v.Interface().(type) {
	case bool:
		v.SetBool(true)
	case map[push.Code]uint64:
		v.Set(reflect.ValueOf(map[push.Code]uint64{push.CodeDraining: 1}))
	case broker.Histogram:
		v.Set(reflect.ValueOf(times(time.Millisecond)))
	default:
		if v.CanInt() {
			v.SetInt(1)
		} else {
			v.SetUint(1)
		}
	}
}

func times(all ...time.Duration) (h broker.Histogram) {
	var d broker.Durations
	for _, t := range all {
		d.Add(t)
	}
	d.AddTo(&h)
	return h
}

func TestWrite(t *testing.T) {
	var text strings.Builder
	err := metrics.Write(&text, push.Stats{
		Published:  1 << 40,
		Closed:     map[push.Code]uint64{"": 3, push.CodeSlowConsumer: 1},
		Transports: map[string]push.TransportStats{"w\"\\\ns": {Sessions: 2, Latency: times(time.Millisecond, 4*time.Millisecond, time.Minute)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# HELP tidewire_published_total Messages that were published here.\n# TYPE tidewire_published_total counter\ntidewire_published_total 1.099511627776e+12\n",
		"tidewire_sessions_closed_total{reason=\"client_left\"} 3\ntidewire_sessions_closed_total{reason=\"slow_consumer\"} 1\n",
		`tidewire_sessions{transport="w\"\\\ns"} 2` + "\n",
		`tidewire_delivery_latency_seconds_bucket{transport="w\"\\\ns",le="0.0005"} 0` + "\n" +
			`tidewire_delivery_latency_seconds_bucket{transport="w\"\\\ns",le="0.001"} 1` + "\n" +
			`tidewire_delivery_latency_seconds_bucket{transport="w\"\\\ns",le="0.0025"} 1` + "\n" +
			`tidewire_delivery_latency_seconds_bucket{transport="w\"\\\ns",le="0.005"} 2` + "\n",
		`tidewire_delivery_latency_seconds_bucket{transport="w\"\\\ns",le="+Inf"} 3` + "\n" +
			`tidewire_delivery_latency_seconds_sum{transport="w\"\\\ns"} 60.005` + "\n" +
			`tidewire_delivery_latency_seconds_count{transport="w\"\\\ns"} 3` + "\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("nowhere is\n%s\nin\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "tidewire_broker") {
		t.Error("a broker without figures has metrics")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestWriteReportsAnError(t *testing.T) {
	if metrics.Write(brokenWriter{}, push.Stats{}) == nil {
		t.Error("no error")
	}
}
