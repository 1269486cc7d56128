package pipeline

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

const scope = "github.com/vlab-research/burrow/pipeline"

// meters are the engine's own instruments. What is a state is read from Stats when
// metrics are collected, so it costs nothing otherwise, and the series of a
// partition end with its assignment.
type meters struct {
	commitDuration metric.Float64Histogram
	commitFailures metric.Int64Counter
	rebalances     metric.Int64Counter
	registration   metric.Registration
}

// gauge is an observed number of each partition.
type gauge struct {
	name, unit, text string
	value            func(PartitionStats) float64
	instrument       metric.Float64ObservableGauge
}

func gauges() []gauge {
	return []gauge{
		{"burrow.messages.in_flight", "{message}", "Messages being processed.", func(p PartitionStats) float64 { return float64(p.InFlight) }, nil},
		{"burrow.messages.parked", "{message}", "Messages waiting without a worker.", func(p PartitionStats) float64 { return float64(p.Parked) }, nil},
		{"burrow.messages.parked.oldest.age", "s", "How long the message waits that has been parked longest.", func(p PartitionStats) float64 { return p.OldestParkedAge.Seconds() }, nil},
		{"burrow.messages.parked.next", "s", "Time until the first parked message goes on, 0 if none waits for a time.", untilNextRetry, nil},
		{"burrow.messages.queued", "{message}", "Messages waiting for a worker.", func(p PartitionStats) float64 { return float64(p.Queued) }, nil},
		{"burrow.window.used", "1", "Share of the window in use.", func(p PartitionStats) float64 { return p.WindowUsed }, nil},
		{"burrow.window.head_of_line", "1", "1 if one message alone keeps the window full.", headOfLine, nil},
		{"burrow.attempts.cut", "{attempt}", "Attempts cancelled because they alone kept the window full, since the assignment.", func(p PartitionStats) float64 { return float64(p.Cut) }, nil},
		{"burrow.lag.messages", "{message}", "Offsets between the commit and the end of the partition.", func(p PartitionStats) float64 { return float64(p.Lag) }, nil},
		{"burrow.lag.time", "s", "Age of the oldest unresolved message, by its timestamp.", func(p PartitionStats) float64 { return p.LagTime.Seconds() }, nil},
		{"burrow.messages.repeats", "{message}", "What a crash now would repeat.", func(p PartitionStats) float64 { return float64(p.Repeats) }, nil},
		{"burrow.messages.oldest_unresolved.age", "s", "How long the oldest unresolved message has held the commit.", func(p PartitionStats) float64 { return p.OldestAge.Seconds() }, nil},
	}
}

// untilNextRetry takes the zero time for what it is, long ago.
func untilNextRetry(p PartitionStats) float64 { return max(time.Until(p.NextRetry), 0).Seconds() }

func headOfLine(p PartitionStats) float64 {
	if p.HeadOfLine {
		return 1
	}
	return 0
}

// newMeters makes the instruments. The result works, and does nothing, if that failed.
func newMeters(p *Pipeline) (*meters, error) {
	provider := p.cfg.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scope)
	m := &meters{}
	var errs [3]error
	m.commitDuration, errs[0] = meter.Float64Histogram("burrow.commit.duration",
		metric.WithUnit("s"), metric.WithDescription("How long commits took, to the broker's answer."))
	m.commitFailures, errs[1] = meter.Int64Counter("burrow.commit.failures",
		metric.WithUnit("{commit}"), metric.WithDescription("Commits of partitions that the broker refused."))
	m.rebalances, errs[2] = meter.Int64Counter("burrow.rebalances",
		metric.WithUnit("{rebalance}"), metric.WithDescription("Assignments of partitions."))
	if err := errors.Join(errs[:]...); err != nil {
		return &meters{}, err
	}
	return m, m.observe(meter, p)
}

// observe registers the gauges.
func (m *meters) observe(meter metric.Meter, p *Pipeline) error {
	list := gauges()
	parkedBy, err := meter.Float64ObservableGauge("burrow.messages.parked.by",
		metric.WithUnit("{message}"), metric.WithDescription("Parked messages by burrow.parked.reason."))
	if err != nil {
		return err
	}
	instruments := append(make([]metric.Observable, 0, len(list)+1), parkedBy)
	for i := range list {
		var err error
		list[i].instrument, err = meter.Float64ObservableGauge(list[i].name,
			metric.WithUnit(list[i].unit), metric.WithDescription(list[i].text))
		if err != nil {
			return err
		}
		instruments = append(instruments, list[i].instrument)
	}
	m.registration, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, partition := range p.Stats().Partitions {
			where := metric.WithAttributes(
				attribute.String("messaging.destination.name", partition.Topic),
				attribute.String("messaging.destination.partition.id", strconv.Itoa(int(partition.Partition))),
			)
			for reason, n := range partition.ParkedBy {
				o.ObserveFloat64(parkedBy, float64(n), where, metric.WithAttributes(attribute.String("burrow.parked.reason", reason)))
			}
			for _, g := range list {
				o.ObserveFloat64(g.instrument, g.value(partition), where)
			}
		}
		return nil
	}, instruments...)
	return err
}

func (m *meters) committed(took time.Duration, verdicts []error) {
	if m.commitDuration == nil {
		return
	}
	defer contain()
	m.commitDuration.Record(context.Background(), took.Seconds())
	for _, err := range verdicts {
		if err != nil {
			m.commitFailures.Add(context.Background(), 1)
		}
	}
}

func (m *meters) rebalanced() {
	defer contain()
	if m.rebalances != nil {
		m.rebalances.Add(context.Background(), 1)
	}
}

func (m *meters) close() {
	if m.registration != nil {
		_ = m.registration.Unregister() // only fails for a registration that isn't ours
	}
}

// contain ends a panic of the user's meter.
func contain() { _ = recover() }
