package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

func newTracer() (*sdktrace.TracerProvider, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)), recorder
}

func attributesOf(attrs []attribute.KeyValue) map[string]any {
	all := map[string]any{}
	for _, kv := range attrs {
		all[string(kv.Key)] = kv.Value.AsInterface()
	}
	return all
}

const producerTrace, producerSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

func traced(offset int64) stage.Message {
	msg := order(offset)
	return stage.WithHeaders(msg, stage.Headers{
		{Key: "traceparent", Value: []byte("00-" + producerTrace + "-" + producerSpan + "-01")},
		{Key: "baggage", Value: []byte("tenant=blue")},
	})
}

func TestTheSpanContinuesTheProducersTrace(t *testing.T) {
	t.Parallel()
	provider, recorder := newTracer()
	inner := stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) {
		if got := baggage.FromContext(ctx).Member("tenant").Value(); got != "blue" {
			t.Errorf("baggage %q", got)
		}
		if got := trace.SpanContextFromContext(ctx); got.TraceID().String() != producerTrace || got.IsRemote() {
			t.Errorf("the handler runs in span %v", got)
		}
		return msg, nil
	})
	mw := middleware.Tracing(middleware.TracerProvider(provider), middleware.ConsumerGroup("billing"))
	if _, err := mw(inner).Process(t.Context(), traced(7)); err != nil {
		t.Fatal(err)
	}
	span := recorder.Ended()[0]
	if span.Name() != "process orders" || span.SpanKind() != trace.SpanKindConsumer || span.Status().Code != codes.Unset {
		t.Errorf("span %q, %v, %v", span.Name(), span.SpanKind(), span.Status())
	}
	if span.Parent().SpanID().String() != producerSpan || len(span.Links()) != 1 || span.Links()[0].SpanContext.SpanID().String() != producerSpan {
		t.Errorf("parent %v, links %v", span.Parent(), span.Links())
	}
	want := map[string]any{
		"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": "orders", "messaging.destination.partition.id": "3", "messaging.kafka.offset": int64(7),
		"messaging.consumer.group.name": "billing", "burrow.outcome": "done",
	}
	if got := attributesOf(span.Attributes()); !maps.Equal(got, want) {
		t.Errorf("attributes %v", got)
	}
}

func TestLinkOnlyBeginsATraceOfItsOwn(t *testing.T) {
	t.Parallel()
	provider, recorder := newTracer()
	wrapped := middleware.Tracing(middleware.TracerProvider(provider), middleware.LinkOnly())(always(nil))
	if _, err := wrapped.Process(t.Context(), traced(7)); err != nil {
		t.Fatal(err)
	}
	ctx, outer := provider.Tracer("test").Start(t.Context(), "outer")
	if _, err := wrapped.Process(ctx, traced(7)); err != nil {
		t.Fatal(err)
	}
	spans := recorder.Ended()
	if spans[0].Parent().IsValid() || spans[1].Parent().SpanID() != outer.SpanContext().SpanID() {
		t.Errorf("parents %v, %v", spans[0].Parent(), spans[1].Parent())
	}
	for _, span := range spans {
		if span.SpanContext().TraceID().String() == producerTrace || len(span.Links()) != 1 {
			t.Errorf("trace %v, links %v", span.SpanContext().TraceID(), span.Links())
		}
	}
}

func TestHeadersWithoutATraceDoNoHarm(t *testing.T) {
	t.Parallel()
	provider, recorder := newTracer()
	wrapped := middleware.Tracing(middleware.TracerProvider(provider))(always(nil))
	for _, value := range []string{"", "garbage", "00-0-0-00", strings.Repeat("x", 1<<16)} {
		msg := stage.New(nil, nil, stage.Headed("traceparent", []byte(value)), stage.Headed("baggage", []byte(value)))
		if _, err := wrapped.Process(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	for _, span := range recorder.Ended() {
		if span.Parent().IsValid() || len(span.Links()) != 0 {
			t.Errorf("parent %v, links %v", span.Parent(), span.Links())
		}
		if attributesOf(span.Attributes())["messaging.kafka.message.tombstone"] != true {
			t.Error("a nil value is no tombstone")
		}
	}
}

func TestTheSpanTellsTheOutcomeAndNoPayload(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx     context.Context
		err     error
		outcome string
		code    codes.Code
		kind    any
	}{
		"skip":     {t.Context(), stage.Skip, "skipped", codes.Unset, nil},
		"released": {t.Context(), stage.ErrReleased, "released", codes.Unset, nil},
		"ended":    {ended, errBoom, "released", codes.Unset, nil},
		"failed":   {t.Context(), errBoom, "failed", codes.Error, "*errors.errorString"},
		"timeout":  {t.Context(), &middleware.TimeoutError{Err: errBoom}, "failed", codes.Error, "timeout"},
		"payload": {t.Context(), &stage.PayloadError{Op: "validate", Err: errors.New("secret")},
			"failed", codes.Error, "validate"},
		"panic":       {t.Context(), &stage.PanicError{Value: "secret"}, "failed", codes.Error, "panic"},
		"dead letter": {t.Context(), &stage.DeadLetteredError{Topic: "dlq", Err: errBoom}, "dead_lettered", codes.Error, "*errors.errorString"},
	} {
		provider, recorder := newTracer()
		_, _ = middleware.Tracing(middleware.TracerProvider(provider))(always(test.err)).Process(test.ctx, order(1))
		span := recorder.Ended()[0]
		attrs := attributesOf(span.Attributes())
		if attrs["burrow.outcome"] != test.outcome || span.Status().Code != test.code || attrs["error.type"] != test.kind {
			t.Errorf("%s: %v, status %v", name, attrs, span.Status())
		}
		if text := fmt.Sprint(attrs, span.Status(), span.Events()); strings.Contains(text, "secret") || strings.Contains(text, "key") {
			t.Errorf("%s: %s", name, text)
		}
		if name == "dead letter" && attrs["burrow.dead_letter.topic"] != "dlq" {
			t.Errorf("%v", attrs)
		}
	}
}

func TestAPanicEndsTheSpanAndGoesOn(t *testing.T) {
	t.Parallel()
	provider, recorder := newTracer()
	defer func() {
		if recover() != errBoom {
			t.Error("the panic is gone")
		}
		if spans := recorder.Ended(); len(spans) != 1 || spans[0].Status().Code != codes.Error {
			t.Errorf("spans %v", spans)
		}
	}()
	_, _ = middleware.Tracing(middleware.TracerProvider(provider))(panicking(errBoom)).Process(t.Context(), order(1))
}

func TestTheSpanLastsAsLongAsTheMessageWithItsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, recorder := newTracer()
		inner, _ := failing(errBoom, errBoom)
		mw := stage.Chain(middleware.Tracing(middleware.TracerProvider(provider)), middleware.Retry(retry.Linear{Step: time.Minute, Max: time.Hour}, 5))
		if _, err := mw(inner).Process(newHost().context(t), traced(7)); err != nil {
			t.Fatal(err)
		}
		span := recorder.Ended()[0]
		if took := span.EndTime().Sub(span.StartTime()); took != 3*time.Minute {
			t.Errorf("the span took %v, the message 1 m and 2 m of waits", took)
		}
		if events := span.Events(); len(events) != 2 || events[1].Time.Sub(events[0].Time) != time.Minute {
			t.Errorf("events %v, want one before each wait", events)
		}
	})
}

func ExampleTracing() {
	provider, recorder := newTracer()
	tracing := middleware.Tracing(middleware.TracerProvider(provider))
	handle := stage.Handle(func(context.Context, []byte) error { return errors.New("connection refused") })
	msg := stage.New(nil, []byte("order"), stage.At(stage.Position{Topic: "orders"}),
		stage.Headed("traceparent", []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")))

	_, _ = tracing(handle).Process(context.Background(), msg)
	span := recorder.Ended()[0]
	fmt.Println(span.Name(), span.SpanContext().TraceID(), span.Status().Description)
	// Output: process orders 4bf92f3577b34da6a3ce929d0e0e4736 connection refused
}
