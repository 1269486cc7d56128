package middleware

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"

	"github.com/vlab-research/burrow/stage"
)

// Metrics measures each message with OpenTelemetry: the histogram
// messaging.process.duration in seconds, which includes waits for retries inside it,
// and the counter messaging.client.consumed.messages, with the topic, the
// partition and, if it failed, was dead-lettered or released, error.type.
//
// What a success needs is kept per partition, so it allocates nothing here.
func Metrics(opts ...TelemetryOption) stage.Middleware {
	m, err := newMetrics(opts)
	return func(next stage.Stage) stage.Stage {
		return wrap(NameMetrics, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			start := time.Now()
			out, err := next.Process(ctx, msg)
			m.record(ctx, msg.Position(), time.Since(start), err)
			return out, err
		}, err)
	}
}

// durationBounds are those that the conventions advise, in seconds.
var durationBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

func newMetrics(opts []TelemetryOption) (*metrics, error) {
	settings, err := newTelemetry(opts)
	m := &metrics{telemetry: settings}
	m.successes.Store(&map[partition]*measures{})
	if err != nil {
		return m, err
	}
	meter := settings.meters.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	duration, durationErr := messagingconv.NewProcessDuration(meter, metric.WithExplicitBucketBoundaries(durationBounds...))
	consumed, consumedErr := messagingconv.NewClientConsumedMessages(meter)
	m.duration, m.consumed = duration.Inst(), consumed.Inst()
	return m, errors.Join(durationErr, consumedErr)
}

type metrics struct {
	*telemetry
	duration metric.Float64Histogram
	consumed metric.Int64Counter

	// successes is copied when a partition is new, and read without a lock.
	successes atomic.Pointer[map[partition]*measures]
	mu        sync.Mutex
}

type partition struct {
	topic  string
	number int32
}

// measures are options made once, since each call that makes one allocates.
type measures struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

func newMeasures(attrs []attribute.KeyValue) *measures {
	set := metric.WithAttributeSet(attribute.NewSet(attrs...))
	return &measures{record: []metric.RecordOption{set}, add: []metric.AddOption{set}}
}

func (m *metrics) record(ctx context.Context, p stage.Position, took time.Duration, err error) {
	with := m.success(p)
	if err != nil {
		if how := outcomeOf(ctx, err); how == released {
			with = newMeasures(append(m.attributes(p), semconv.ErrorTypeKey.String(string(released))))
		} else if how != skipped {
			with = newMeasures(append(m.attributes(p), semconv.ErrorTypeKey.String(errorType(err))))
		}
	}
	m.duration.Record(ctx, took.Seconds(), with.record...)
	m.consumed.Add(ctx, 1, with.add...)
}

func (m *metrics) success(p stage.Position) *measures {
	key := partition{p.Topic, p.Partition}
	if with, ok := (*m.successes.Load())[key]; ok {
		return with
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := *m.successes.Load()
	if with, ok := known[key]; ok {
		return with
	}
	with, grown := newMeasures(m.attributes(p)), maps.Clone(known)
	grown[key] = with
	m.successes.Store(&grown)
	return with
}
