package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// telemetry is the OpenTelemetry SDK, which the library itself knows nothing of.
type telemetry struct {
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	tracers  *sdktrace.TracerProvider
}

func newTelemetry() (*telemetry, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	return &telemetry{
		registry: registry,
		meters:   sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)),
		tracers:  sdktrace.NewTracerProvider(sdktrace.WithSyncer(printer{})),
	}, nil
}

// printer prints the spans of messages that were retried.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		if len(s.Events()) > 0 {
			printSpan(s)
		}
	}
	return nil
}

func (printer) Shutdown(context.Context) error { return nil }

func printSpan(s sdktrace.ReadOnlySpan) {
	fmt.Printf("span %q, %v, status %s %s\n", s.Name(), s.EndTime().Sub(s.StartTime()).Round(time.Millisecond),
		s.Status().Code, s.Status().Description)
	fmt.Println("  trace", s.SpanContext().TraceID(), "parent", s.Parent().SpanID())
	for _, a := range s.Attributes() {
		fmt.Printf("  %s = %s\n", a.Key, a.Value)
	}
	for _, e := range s.Events() {
		fmt.Printf("  event %q after %v\n", e.Name, e.Time.Sub(s.StartTime()).Round(time.Millisecond))
	}
}
