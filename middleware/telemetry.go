package middleware

import (
	"strconv"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/vlab-research/burrow/stage"
)

// scope names this package to OpenTelemetry.
const scope = "github.com/vlab-research/burrow/middleware"

// TelemetryOption changes what [Tracing] and [Metrics] do; each takes those that
// concern it and leaves the others alone.
type TelemetryOption func(*telemetry)

// TracerProvider sets where [Tracing] gets its tracer. The default is the global
// provider, also one that is set later.
func TracerProvider(provider trace.TracerProvider) TelemetryOption {
	return func(t *telemetry) { t.tracers = provider }
}

// MeterProvider sets where [Metrics] gets its meter. The default is the global
// provider, also one that is set later.
func MeterProvider(provider metric.MeterProvider) TelemetryOption {
	return func(t *telemetry) { t.meters = provider }
}

// Propagator sets how [Tracing] reads a trace from a message's headers. The default
// is W3C Trace Context and Baggage, whatever the global propagator is.
func Propagator(propagator propagation.TextMapPropagator) TelemetryOption {
	return func(t *telemetry) { t.propagator = propagator }
}

// LinkOnly makes the span of [Tracing] the root of a trace of its own, or a child of
// the context's span, that only links to the producer's. The default is to be
// a child of the producer's span and to link to it too.
func LinkOnly() TelemetryOption { return func(t *telemetry) { t.linkOnly = true } }

// ConsumerGroup sets the attribute messaging.consumer.group.name. The default is
// to leave it out.
func ConsumerGroup(name string) TelemetryOption { return func(t *telemetry) { t.group = name } }

type telemetry struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	linkOnly   bool
	group      string
}

func newTelemetry(opts []TelemetryOption) (*telemetry, error) {
	t := &telemetry{
		tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider(),
		propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	for _, opt := range opts {
		opt(t)
	}
	return t, require(t.tracers != nil && t.meters != nil && t.propagator != nil, "a provider or propagator is nil")
}

// attributes are those of a message that spans and metrics share.
func (t *telemetry) attributes(p stage.Position) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 10)
	attrs = append(attrs, semconv.MessagingSystemKafka, semconv.MessagingOperationName("process"),
		semconv.MessagingDestinationName(p.Topic), semconv.MessagingDestinationPartitionID(strconv.Itoa(int(p.Partition))))
	if t.group != "" {
		attrs = append(attrs, semconv.MessagingConsumerGroupName(t.group))
	}
	return attrs
}
