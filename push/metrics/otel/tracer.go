// Package tidewireotel connects a hub with OpenTelemetry: a tracer that follows messages from
// Publish through the broker to the sockets of clients, and a producer of the metrics of
// package push/metrics.
//
//	hub := push.New(broker, push.Options{Tracer: tidewireotel.NewTracer(tracerProvider)})
//	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(tidewireotel.NewProducer(hub)))
package tidewireotel

import (
	"context"
	"maps"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidewire/tidewire/push"
)

const scope = "github.com/tidewire/tidewire/push/metrics/otel"

// NewTracer returns a tracer for [push.Options]. Publish is a span of kind producer, below
// that of its context, which lasts until the broker has stored the message. Each instance
// with followers adds a span "deliver" of kind consumer, from when the message came there
// until the last client's socket has taken it.
//
// The trace context travels in the message's header, as W3C Trace Context has it, if the
// trace is sampled; clients aren't told. The names of topics are attributes of spans.
func NewTracer(provider trace.TracerProvider) push.Tracer {
	return &tracer{provider.Tracer(scope)}
}

type tracer struct{ tracer trace.Tracer }

var propagator propagation.TraceContext

func (t *tracer) Publish(ctx context.Context, m *push.Message) (context.Context, func(push.Receipt, error)) {
	ctx, span := t.tracer.Start(ctx, "publish", trace.WithSpanKind(trace.SpanKindProducer), attributesOf("publish", "send", m.Topic))
	if !span.SpanContext().IsSampled() {
		span.End()
		return ctx, nil
	}
	header := maps.Clone(m.Header)
	if header == nil {
		header = map[string]string{}
	}
	propagator.Inject(ctx, propagation.MapCarrier(header))
	m.Header = header
	return ctx, func(receipt push.Receipt, err error) {
		if err != nil {
			span.SetStatus(codes.Error, string(push.AsError(err).Code))
			span.RecordError(err)
		} else if receipt.ID != "" {
			span.SetAttributes(attribute.String("messaging.message.id", receipt.ID))
		}
		span.End()
	}
}

func (t *tracer) Deliver(m *push.Message) func(push.Delivery) {
	ctx := propagator.Extract(context.Background(), propagation.MapCarrier(m.Header))
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	_, span := t.tracer.Start(ctx, "deliver", trace.WithSpanKind(trace.SpanKindConsumer), attributesOf("deliver", "process", m.Topic))
	return func(d push.Delivery) {
		span.SetAttributes(
			attribute.String("messaging.message.id", m.ID),
			attribute.Int("tidewire.clients", d.Clients),
			attribute.Int("tidewire.dropped", d.Dropped),
		)
		if d.Clients == 0 {
			span.End()
			return
		}
		span.AddEvent("first write", trace.WithTimestamp(d.First))
		span.End(trace.WithTimestamp(d.Last))
	}
}

// attributesOf are those that the conventions for messaging have.
func attributesOf(name, kind, topic string) trace.SpanStartEventOption {
	all := []attribute.KeyValue{
		attribute.String("messaging.system", "tidewire"),
		attribute.String("messaging.operation.name", name),
		attribute.String("messaging.operation.type", kind),
	}
	if topic != "" { // of PublishAll, which has many
		all = append(all, attribute.String("messaging.destination.name", topic))
	}
	return trace.WithAttributes(all...)
}
