package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

// collected returns the metrics by name.
func collected(t testing.TB, reader sdkmetric.Reader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	byName := map[string]metricdata.Metrics{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			byName[m.Name] = m
		}
	}
	return byName
}

func newMeter() (*sdkmetric.MeterProvider, sdkmetric.Reader) {
	reader := sdkmetric.NewManualReader()
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), reader
}

func TestMetricsFollowTheMessagingConventions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		mw := middleware.Metrics(middleware.MeterProvider(provider), middleware.ConsumerGroup("billing"))
		if _, err := mw(slow(1500*ms, returning(nil))).Process(t.Context(), order(1)); err != nil {
			t.Fatal(err)
		}
		all := collected(t, reader)
		duration, consumed := all["messaging.process.duration"], all["messaging.client.consumed.messages"]
		if duration.Unit != "s" || consumed.Unit != "{message}" {
			t.Errorf("units %q, %q", duration.Unit, consumed.Unit)
		}
		point := duration.Data.(metricdata.Histogram[float64]).DataPoints[0]
		if point.Sum != 1.5 || point.Count != 1 || point.Bounds[0] != 0.005 {
			t.Errorf("histogram %+v", point)
		}
		want := map[string]any{
			"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.destination.name": "orders",
			"messaging.destination.partition.id": "3", "messaging.consumer.group.name": "billing",
		}
		if got := attributesOf(point.Attributes.ToSlice()); !maps.Equal(got, want) {
			t.Errorf("attributes %v", got)
		}
		count := consumed.Data.(metricdata.Sum[int64]).DataPoints[0]
		if count.Value != 1 || count.Attributes != point.Attributes {
			t.Errorf("counter %+v", count)
		}
	})
}

func TestMetricsTellFailuresByType(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		kind any
	}{
		"done":        {t.Context(), nil, nil},
		"skipped":     {t.Context(), stage.Skip, nil},
		"failed":      {t.Context(), &stage.Error{Err: errBoom}, "*errors.errorString"},
		"payload":     {t.Context(), &stage.PayloadError{Op: "decode", Err: errBoom}, "decode"},
		"dead letter": {t.Context(), &stage.DeadLetteredError{Err: &stage.PanicError{}}, "panic"},
		"released":    {t.Context(), stage.ErrReleased, "released"},
		"ended":       {ended, errBoom, "released"},
		"deadline":    {t.Context(), context.DeadlineExceeded, "deadline_exceeded"},
		"canceled":    {t.Context(), context.Canceled, "canceled"},
	} {
		provider, reader := newMeter()
		_, _ = middleware.Metrics(middleware.MeterProvider(provider))(always(test.err)).Process(test.ctx, order(1))
		points := collected(t, reader)["messaging.client.consumed.messages"].Data.(metricdata.Sum[int64]).DataPoints
		if got := attributesOf(points[0].Attributes.ToSlice())["error.type"]; len(points) != 1 || got != test.kind {
			t.Errorf("%s: error.type %v", name, got)
		}
	}
}

func TestMetricsKeepPartitionsApartUnderConcurrency(t *testing.T) {
	t.Parallel()
	provider, reader := newMeter()
	wrapped := middleware.Metrics(middleware.MeterProvider(provider))(always(nil))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 800 {
				at := stage.Position{Topic: fmt.Sprint("t", i%2), Partition: int32(i % 8)}
				_, _ = wrapped.Process(t.Context(), stage.New(nil, nil, stage.At(at)))
			}
		})
	}
	wg.Wait()
	points := collected(t, reader)["messaging.client.consumed.messages"].Data.(metricdata.Sum[int64]).DataPoints
	if len(points) != 8 {
		t.Errorf("%d series", len(points))
	}
	for _, point := range points {
		if point.Value != 800 {
			t.Errorf("%v: %d", point.Attributes.ToSlice(), point.Value)
		}
	}
}

func TestASuccessIsMeasuredWithoutAllocating(t *testing.T) {
	sdk, _ := newMeter()
	for name, provider := range map[string]middleware.TelemetryOption{
		"sdk": middleware.MeterProvider(sdk), "noop": middleware.MeterProvider(noop.NewMeterProvider()),
	} {
		wrapped := middleware.Metrics(provider)(always(nil))
		ctx, msg := t.Context(), order(1)
		if allocs := testing.AllocsPerRun(1000, func() { _, _ = wrapped.Process(ctx, msg) }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func BenchmarkMetrics(b *testing.B) {
	provider, _ := newMeter()
	wrapped := middleware.Metrics(middleware.MeterProvider(provider))(always(nil))
	ctx, msg := b.Context(), order(1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = wrapped.Process(ctx, msg)
	}
}

func ExampleMetrics() {
	provider, reader := newMeter()
	measured := middleware.Metrics(middleware.MeterProvider(provider))(stage.Handle(func(context.Context, []byte) error {
		return errors.New("connection refused")
	}))
	_, _ = measured.Process(context.Background(), stage.New(nil, []byte("order")))

	var all metricdata.ResourceMetrics
	_ = reader.Collect(context.Background(), &all)
	for _, m := range all.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name, m.Unit)
	}
	// Unordered output:
	// messaging.process.duration s
	// messaging.client.consumed.messages {message}
}
