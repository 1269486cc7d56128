package middleware

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

const (
	// DefaultTripAfter is how many failures in a row open a [Breaker].
	DefaultTripAfter = 5
	// DefaultProbeInterval is how long a [Breaker] stays open before it lets a probe through.
	DefaultProbeInterval = 10 * time.Second
)

// BreakerOption changes what [Breaker] does.
type BreakerOption func(*breaker)

// TripAfter opens the breaker after n failures in a row. The default is [DefaultTripAfter].
func TripAfter(n int) BreakerOption { return func(b *breaker) { b.tripAfter = n } }

// ProbeInterval is how long an open breaker waits before it lets probes through, and
// again after each probe that failed. The default is [DefaultProbeInterval].
func ProbeInterval(d time.Duration) BreakerOption { return func(b *breaker) { b.interval = d } }

// Probes sets how many messages a half-open breaker lets through; when all of them
// succeeded it closes, at the first failure it opens again. The default is 1.
func Probes(n int) BreakerOption { return func(b *breaker) { b.probes = n } }

// TripIf says which failures count. The others count neither as failures nor as
// successes. The default is [retry.IsRetryable]: that a message itself is bad says
// nothing about the dependency.
func TripIf(countsFunc func(error) bool) BreakerOption {
	return func(b *breaker) { b.countsFunc = countsFunc }
}

// BreakerMeterProvider sets where the breaker's state is shown. The default is the global provider.
func BreakerMeterProvider(provider metric.MeterProvider) BreakerOption {
	return func(b *breaker) { b.meters = provider }
}

// Breaker spares a dependency that is down: after some failures in a row it
// opens, and messages wait parked, without a worker, instead of failing. After an
// interval it lets a probe through; when that succeeds it closes and all go on at once.
// An outage costs no message and, however many wait, one probe in each interval.
// A message whose failure leaves the breaker open waits with the others and
// uses up no attempts of a [Retry] around it. Put it inside of [Retry], which
// takes the failures before it opened.
//
// A panic counts as a failure; [stage.Skip] as a
// success; a message that was taken away not at all.
//
// The gauge burrow.breaker.state is 0 while it is closed, 1 half-open, 2 open, with
// the attribute burrow.breaker.name.
func Breaker(name string, opts ...BreakerOption) stage.Middleware {
	b := &breaker{
		tripAfter: DefaultTripAfter, interval: DefaultProbeInterval, probes: 1,
		countsFunc: retry.IsRetryable, meters: otel.GetMeterProvider(),
	}
	for _, opt := range opts {
		opt(b)
	}
	errs := []error{
		require(name != "", "the name is empty; name the dependency"),
		require(b.tripAfter > 0, "TripAfter is %d; give at least 1", b.tripAfter),
		require(b.interval > 0, "ProbeInterval is %v; it must be positive", b.interval),
		require(b.probes > 0, "Probes is %d; give at least 1", b.probes),
		require(b.countsFunc != nil, "the function of TripIf is nil"),
		require(b.meters != nil, "the meter provider is nil"),
	}
	if errors.Join(errs...) == nil {
		errs = append(errs, b.build(name))
	}
	return func(next stage.Stage) stage.Stage {
		return wrap(NameBreaker, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			return b.process(ctx, next, msg)
		}, errs...)
	}
}

type breaker struct {
	tripAfter, probes int
	interval          time.Duration
	countsFunc        func(error) bool
	meters            metric.MeterProvider

	gate  *gobreaker.TwoStepCircuitBreaker[struct{}]
	last  atomic.Pointer[error]     // the last failure that counted
	until atomic.Pointer[time.Time] // when the open state ends

	mu      sync.Mutex
	waiting queue
}

// What the gate is told of a result: nobody's functions run under its lock.
var (
	errCounts   = errors.New("middleware: counts as a failure")
	errExcluded = errors.New("middleware: doesn't count")
)

func (b *breaker) build(name string) error {
	gauge, err := b.meters.Meter(scope).Int64Gauge("burrow.breaker.state",
		metric.WithDescription("0 closed, 1 half-open, 2 open"), metric.WithUnit("1"))
	if err != nil {
		return err
	}
	with := metric.WithAttributeSet(attribute.NewSet(attribute.String("burrow.breaker.name", name)))
	gauge.Record(context.Background(), int64(gobreaker.StateClosed), with)
	b.gate = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: name, MaxRequests: uint32(b.probes), Timeout: b.interval,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int64(c.ConsecutiveFailures) >= int64(b.tripAfter) },
		IsExcluded:  func(err error) bool { return errors.Is(err, errExcluded) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				until := time.Now().Add(b.interval)
				b.until.Store(&until)
			}
			gauge.Record(context.Background(), int64(to), with)
		},
	})
	return nil
}

// process tries until the result is the message's own: a failure that leaves the
// breaker open is the outage's, and another try waits for its end.
func (b *breaker) process(ctx context.Context, next stage.Stage, msg stage.Message) (stage.Message, error) {
	for tries := 0; ; tries++ {
		settle, err := b.gate.Allow()
		if err != nil {
			if settle, err = b.wait(ctx, tries); err != nil {
				return nil, err
			}
		}
		out, counts, err := b.try(ctx, next, msg, settle)
		if !counts || b.gate.State() == gobreaker.StateClosed {
			return out, err
		}
	}
}

func (b *breaker) try(ctx context.Context, next stage.Stage, msg stage.Message, settle func(error)) (out stage.Message, counts bool, err error) {
	verdict := errCounts // of a panic
	defer func() {
		settle(verdict)
		b.wake()
	}()
	out, err = next.Process(ctx, msg)
	verdict = b.judge(ctx, err)
	return out, errors.Is(verdict, errCounts), err
}

func (b *breaker) judge(ctx context.Context, err error) error {
	if stored, ok := errors.AsType[*stage.DeadLetteredError](err); ok {
		err = stored.Err
	}
	switch {
	case err == nil || errors.Is(err, stage.Skip):
		return nil
	case outcomeOf(ctx, err) == released || !b.countsFunc(err):
		return errExcluded
	}
	b.last.Store(&err)
	return errCounts
}

// wait parks the message until the gate lets it through. The first of those that
// wait minds the time; the others are woken one by one as the ones before them
// leave, or all at once when the breaker closes. So no interval wakes them all in vain.
func (b *breaker) wait(ctx context.Context, tries int) (settle func(error), err error) {
	w := newWaiter()
	for {
		settle, left := b.ask(w)
		if settle != nil {
			return settle, nil
		}
		parking := stage.Parking{For: left, Wake: w.wake, Reason: "breaker", Attempt: tries}
		if last := b.last.Load(); last != nil {
			parking.Cause = *last
		}
		if err := parking.Wait(ctx); err != nil {
			b.mu.Lock()
			b.leave(w)
			b.mu.Unlock()
			return nil, err
		}
		tries = 0 // a longer wait isn't another try
	}
}

// ask tries the gate, and else says how long to wait before the next time; 0 is
// until it is woken. The lock keeps a change of the gate from slipping in between.
func (b *breaker) ask(w *waiter) (settle func(error), left time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	settle, err := b.gate.Allow()
	if err == nil {
		b.leave(w)
		return settle, 0
	}
	b.waiting.add(w)
	if b.waiting.first() != w || !errors.Is(err, gobreaker.ErrOpenState) {
		return nil, 0
	}
	const after = time.Millisecond // the gate opens after the time, not at it
	return nil, max(time.Until(*b.until.Load()), 0) + after
}

// leave makes the next one mind the time.
func (b *breaker) leave(w *waiter) {
	wasFirst := b.waiting.first() == w
	b.waiting.remove(w)
	if wasFirst {
		b.waiting.signalFirst()
	}
}

// wake tells those that wait of a result.
func (b *breaker) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting.first() == nil {
		return
	}
	if b.gate.State() != gobreaker.StateClosed {
		b.waiting.signalFirst()
		return
	}
	for w := b.waiting.first(); w != nil; w = b.waiting.first() {
		b.waiting.remove(w)
		w.signal()
	}
}
