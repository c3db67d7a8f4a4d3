package tidewireotel

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/metrics"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// instance is a hub over Redis whose spans are kept.
type instance struct {
	hub    *push.Hub
	spans  *tracetest.InMemoryExporter
	tracer trace.Tracer
}

func newInstance(t *testing.T, server *redistest.Server, sampler sdktrace.Sampler) *instance {
	t.Helper()
	client := redis.NewClient(server.Options())
	t.Cleanup(func() { client.Close() })
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithSampler(sampler))
	hub := push.New(redisbroker.New(client), push.Options{Authorize: push.Anyone, Tracer: NewTracer(provider)})
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &instance{hub, spans, provider.Tracer("test")}
}

// client follows topic a on an instance, and returns what is written to it.
func (i *instance) client(t *testing.T) io.Reader {
	t.Helper()
	server := httptest.NewServer(transport.Routes(i.hub))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/sse?topic=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer.Body
}

func (i *instance) span(t *testing.T, name string) tracetest.SpanStub {
	t.Helper()
	var found tracetest.SpanStub
	testaid.Eventually(t, "the span "+name, func() bool {
		for _, s := range i.spans.GetSpans() {
			if s.Name == name {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// TestTraceOverInstances: one trace from the publisher's own span through Redis to the write
// on another instance, and nothing of it reaches the client.
func TestTraceOverInstances(t *testing.T) {
	server, err := redistest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	publisher := newInstance(t, server, sdktrace.AlwaysSample())
	other := newInstance(t, server, sdktrace.ParentBased(sdktrace.NeverSample()))
	client := other.client(t)
	read(t, client, "welcome")

	ctx, work := publisher.tracer.Start(t.Context(), "work")
	header := map[string]string{"mine": "1"}
	if _, err := publisher.hub.Publish(ctx, push.Message{Topic: "a", Data: []byte("data"), Header: header}); err != nil {
		t.Fatal(err)
	}
	work.End()
	if len(header) != 1 {
		t.Errorf("the publisher's header is changed: %v", header)
	}
	line := read(t, client, "data")
	if id := work.SpanContext().TraceID().String(); strings.Contains(line, id) || strings.Contains(line, "traceparent") {
		t.Errorf("the client is told of the trace: %s", line)
	}

	published, delivered := publisher.span(t, "publish"), other.span(t, "deliver")
	if published.Parent.SpanID() != work.SpanContext().SpanID() || published.SpanKind != trace.SpanKindProducer {
		t.Errorf("the publish is %+v", published)
	}
	if delivered.SpanContext.TraceID() != work.SpanContext().TraceID() || delivered.SpanKind != trace.SpanKindConsumer ||
		delivered.Parent.SpanID() != published.SpanContext.SpanID() || !delivered.Parent.IsRemote() {
		t.Errorf("the delivery is %+v", delivered)
	}
	if len(delivered.Events) != 1 || delivered.Events[0].Time.Before(delivered.StartTime) || delivered.EndTime.Before(delivered.Events[0].Time) {
		t.Errorf("from %v to %v, with %v", delivered.StartTime, delivered.EndTime, delivered.Events)
	}
	if n := len(publisher.spans.GetSpans()); n != 2 {
		t.Errorf("%d spans where nobody follows", n)
	}
	page, _, err := other.hub.Recent(t.Context(), "a", 1)
	if err != nil || page[0].Header["mine"] != "1" || page[0].Header["traceparent"] == "" {
		t.Errorf("stored is %v, %v", page, err)
	}
}

// TestUnsampledIsNotStored: a trace that isn't sampled adds nothing to messages, nor does one
// for which a header has no room.
func TestUnsampledIsNotStored(t *testing.T) {
	server, err := redistest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for name, sampler := range map[string]sdktrace.Sampler{"unsampled": sdktrace.NeverSample(), "full": sdktrace.AlwaysSample()} {
		i := newInstance(t, server, sampler)
		m := push.Message{Topic: name}
		if name == "full" {
			m.Header = map[string]string{"mine": strings.Repeat("x", 1000)}
		}
		if _, err := i.hub.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		page, _, err := i.hub.Recent(t.Context(), name, 1)
		if err != nil || len(page) != 1 || len(page[0].Header) != len(m.Header) {
			t.Errorf("%s: %v %v", name, page, err)
		}
	}
}

// read reads until something has come, and returns all that was before.
func read(t *testing.T, from io.Reader, want string) string {
	t.Helper()
	var got []byte
	for !bytes.Contains(got, []byte(want)) {
		b := make([]byte, 4096)
		n, err := from.Read(b)
		if err != nil {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
		got = append(got, b[:n]...)
	}
	return string(got)
}

// TestProducerAndWriterAreEqual: an exporter to Prometheus makes the same metrics of what the
// producer gives as package metrics writes, with the same values.
func TestProducerAndWriterAreEqual(t *testing.T) {
	var d broker.Durations
	d.Add(time.Millisecond)
	d.Add(time.Minute)
	var times broker.Histogram
	d.AddTo(&times)
	stats := push.Stats{
		Published: 7, Memory: 8, Closed: map[push.Code]uint64{"": 3, push.CodeDraining: 1}, Refused: map[push.Code]uint64{push.CodeForbidden: 1},
		Transports: map[string]push.TransportStats{"ws": {Sessions: 2, Latency: times}, "sse": {Written: 9, Latency: times}},
		Broker:     &broker.Figures{Calls: 4, RoundTrips: times},
	}
	registry := promclient.NewPedanticRegistry()
	p := &producer{func() push.Stats { return stats }, time.Now()}
	exporter, err := prometheus.New(prometheus.WithRegisterer(registry), prometheus.WithProducer(p),
		prometheus.WithoutScopeInfo(), prometheus.WithoutTargetInfo())
	if err != nil {
		t.Fatal(err)
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter))
	defer func() { _ = provider.Shutdown(context.Background()) }()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var exported, written bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&exported, family); err != nil {
			t.Fatal(err)
		}
	}
	if err := metrics.Write(&written, stats); err != nil {
		t.Fatal(err)
	}
	got, want := lines(exported.String()), lines(written.String())
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not exported: %s", line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines are exported, %d written", len(got), len(want))
	}
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
