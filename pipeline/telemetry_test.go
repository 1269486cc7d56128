package pipeline

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	api "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// figures collects all metrics, with the gauges of one partition of topic t. A parked reason is part of the
// name, and so is what of a histogram.
func figures(t *testing.T, reader *metric.ManualReader, partition string) map[string]float64 {
	t.Helper()
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &collected); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[float64]:
				for _, point := range data.DataPoints {
					if isOf(point.Attributes, partition) {
						reason, _ := point.Attributes.Value("burrow.parked.reason")
						got[m.Name+reason.AsString()] = point.Value
					}
				}
			case metricdata.Sum[int64]:
				got[m.Name] = float64(data.DataPoints[0].Value)
			case metricdata.Histogram[float64]:
				got[m.Name+" count"], got[m.Name+" sum"] = float64(data.DataPoints[0].Count), data.DataPoints[0].Sum
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return got
}

func isOf(attributes attribute.Set, partition string) bool {
	topic, _ := attributes.Value("messaging.destination.name")
	id, _ := attributes.Value("messaging.destination.partition.id")
	return topic.AsString() == "t" && id.AsString() == partition
}

// Each figure is another one, so that none can stand for another. Whoever adds one adds it here.
func TestEachFigureIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, reader := newFakeSource(0, 0), metric.NewManualReader()
		src.claims[0].messages = make(chan stage.Message, 15) // the high watermark
		for offset := range int64(12) {
			src.claims[0].messages <- stage.New(nil, nil,
				stage.At(stage.Position{Topic: "t", Offset: offset}), stage.Stamped(time.Now().Add(-10*time.Second)))
		}
		var refused atomic.Bool
		src.verdict = func(source.Commit) error {
			time.Sleep(2 * time.Second)
			if refused.CompareAndSwap(false, true) {
				return errors.New("not now")
			}
			return nil
		}
		over := make(chan struct{})
		_, stop := start(t, src, Config{
			Workers: 3, Ordering: Unordered, MaxInFlight: 20, MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
		}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			switch m.Position().Offset {
			case 0:
				return m, nil
			case 1:
				time.Sleep(time.Second)
				return m, stage.Parking{For: 100 * time.Second, Reason: "retry"}.Wait(ctx)
			case 2:
				time.Sleep(3 * time.Second)
				return m, stage.Parking{Wake: over, Reason: "breaker"}.Wait(ctx)
			}
			<-over
			return m, nil
		})
		time.Sleep(30 * time.Second)
		want := map[string]float64{
			"burrow.messages.in_flight": 3, "burrow.messages.queued": 6, "burrow.messages.parked": 2,
			"burrow.messages.parked.byretry": 1, "burrow.messages.parked.bybreaker": 1,
			"burrow.messages.parked.oldest.age": 29, "burrow.messages.parked.next": 71,
			"burrow.messages.oldest_unresolved.age": 30, "burrow.lag.time": 40,
			"burrow.messages.repeats": 11, "burrow.lag.messages": 14, "burrow.window.used": 0.55,
			"burrow.window.head_of_line": 0, "burrow.attempts.cut": 0,
			"burrow.commit.duration count": 2, "burrow.commit.duration sum": 4, "burrow.commit.failures": 1, "burrow.rebalances": 1,
		}
		if got := figures(t, reader, "0"); !maps.Equal(got, want) {
			t.Errorf("got\n%v, want\n%v", got, want)
		}
		if got := figures(t, reader, "1"); got["burrow.lag.messages"] != 0 || got["burrow.messages.parked.next"] != 0 || len(got) != len(want)-2 {
			t.Errorf("of a partition without messages: %v", got)
		}
		close(over)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := figures(t, reader, "0"); len(got) > 4 {
			t.Errorf("after the end: %v", got)
		}
	})
}

func TestAHeldWindowAndACutAttemptAreFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		cfg := watched(&HeadOfLine{After: 10 * time.Second})
		cfg.MeterProvider = metric.NewMeterProvider(metric.WithReader(reader))
		_, stop := start(t, obedient(1000), cfg, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 30 {
				time.Sleep(5 * time.Minute) // whatever its context says
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if got := figures(t, reader, "0"); got["burrow.window.head_of_line"] != 1 || got["burrow.attempts.cut"] != 1 {
			t.Errorf("got %v", got)
		}
		time.Sleep(5 * time.Minute)
		if got := figures(t, reader, "0"); got["burrow.window.head_of_line"] != 0 || got["burrow.attempts.cut"] != 1 {
			t.Errorf("when it is over: %v", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A meter that kept the callback would keep the pipeline and ask it forever.
func TestTheGaugesAreTakenOffTheMeterWhenRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter := &countedMeter{}
		_, stop := start(t, newFakeSource(1), Config{MeterProvider: readProvider{meter: meter}}, ok)
		time.Sleep(time.Second)
		if n := meter.registered.Load(); n != 1 {
			t.Errorf("%d callbacks while it runs", n)
		}
		if err := stop(); err != nil || meter.registered.Load() != 0 {
			t.Errorf("%v, %d callbacks when it is over", err, meter.registered.Load())
		}
	})
}

// countedMeter counts the callbacks that it has.
type countedMeter struct {
	noop.Meter
	registered atomic.Int64
}

func (m *countedMeter) RegisterCallback(api.Callback, ...api.Observable) (api.Registration, error) {
	m.registered.Add(1)
	return countedRegistration{meter: m}, nil
}

type countedRegistration struct {
	noop.Registration
	meter *countedMeter
}

func (r countedRegistration) Unregister() error {
	r.meter.registered.Add(-1)
	return nil
}
