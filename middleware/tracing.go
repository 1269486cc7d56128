package middleware

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/vlab-research/burrow/stage"
)

// Tracing makes an OpenTelemetry consumer span "process <topic>" for each message,
// with the attributes of the messaging conventions. The producer's trace is read from
// the message's headers; the span is its child and links to it, see [LinkOnly].
//
// The attribute burrow.outcome is done, skipped, dead_lettered, released or failed.
// A failure and a dead letter set the error status, with the text of [stage.Redacted],
// and error.type. Keys and payloads are no attributes.
func Tracing(opts ...TelemetryOption) stage.Middleware {
	settings, err := newTelemetry(opts)
	t := &tracing{telemetry: settings}
	if err == nil {
		t.tracer = settings.tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	}
	return func(next stage.Stage) stage.Stage {
		return wrap(NameTracing, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			return t.process(ctx, next, msg)
		}, err)
	}
}

type tracing struct {
	*telemetry
	tracer trace.Tracer
}

func (t *tracing) process(ctx context.Context, next stage.Stage, msg stage.Message) (out stage.Message, err error) {
	ctx, span := t.start(ctx, msg)
	defer span.End()
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit passes through
			span.SetStatus(codes.Error, "the handler did not return")
			span.SetAttributes(semconv.ErrorTypeKey.String("panic"), outcomeKey.String(string(failed)))
		}
	}()
	out, err = next.Process(ctx, msg)
	returned = true
	if span.IsRecording() {
		describe(ctx, span, err)
	}
	return out, err
}

func (t *tracing) start(ctx context.Context, msg stage.Message) (context.Context, trace.Span) {
	p := msg.Position()
	attrs := append(t.attributes(p), semconv.MessagingOperationTypeProcess, semconv.MessagingKafkaOffset(int(p.Offset)))
	if msg.Value() == nil {
		attrs = append(attrs, semconv.MessagingKafkaMessageTombstone(true))
	}
	opts := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attrs...)}
	remote := t.propagator.Extract(ctx, carrier(msg.Headers()))
	if producer := trace.SpanContextFromContext(remote); producer.IsValid() && producer.IsRemote() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: producer}))
		if t.linkOnly {
			remote = trace.ContextWithSpan(remote, trace.SpanFromContext(ctx))
		}
	}
	return t.tracer.Start(remote, "process "+p.Topic, opts...)
}

const outcomeKey = attribute.Key("burrow.outcome")

func describe(ctx context.Context, span trace.Span, err error) {
	how := outcomeOf(ctx, err)
	span.SetAttributes(outcomeKey.String(string(how)))
	if how != failed && how != deadLettered {
		return
	}
	span.SetStatus(codes.Error, stage.Redacted(err))
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
	if stored, ok := errors.AsType[*stage.DeadLetteredError](err); ok {
		span.SetAttributes(attribute.String("burrow.dead_letter.topic", stored.Topic))
	}
}

// carrier gives a message's headers to a propagator, which reads only.
type carrier stage.Headers

// Get returns the last value of the header.
func (c carrier) Get(key string) string {
	value, _ := stage.Headers(c).Get(key)
	return string(value)
}

// Set does nothing: messages are read-only.
func (c carrier) Set(string, string) {}

// Keys returns the names of all headers.
func (c carrier) Keys() []string {
	keys := make([]string, len(c))
	for i, header := range c {
		keys[i] = header.Key
	}
	return keys
}
