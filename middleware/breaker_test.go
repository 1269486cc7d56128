package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// dependency is down until a time and counts the calls.
type dependency struct {
	until atomic.Pointer[time.Time]
	calls atomic.Int32
}

func downFor(d time.Duration) *dependency {
	dep, until := &dependency{}, time.Now().Add(d)
	dep.until.Store(&until)
	return dep
}

func (d *dependency) Process(_ context.Context, msg stage.Message) (stage.Message, error) {
	d.calls.Add(1)
	if time.Now().Before(*d.until.Load()) {
		return nil, errBoom
	}
	return msg, nil
}

func TestAnHourOfOutageCostsNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 1000
		h, dlq, dep, start := newHost(), &topics{}, downFor(time.Hour), time.Now()
		s := stage.Chain(middleware.DeadLetter(dlq, "dlq"), middleware.Retry(steady, 3), middleware.Breaker("db"))(dep)
		var wg sync.WaitGroup
		for range messages {
			wg.Go(func() {
				if _, err := s.Process(h.context(t), order(1)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start) - time.Hour; took > middleware.DefaultProbeInterval+time.Second {
			t.Errorf("work resumed %v after the outage", took)
		}
		if probes := dep.calls.Load() - 2*messages; probes > 360 {
			t.Errorf("%d probes in an hour", probes)
		}
		if len(dlq.stored) != 0 || len(h.parked()) > 5*messages {
			t.Errorf("%d dead letters, %d waits", len(dlq.stored), len(h.parked()))
		}
	})
}

func TestAFewMessagesSurviveAnOutageWithoutUsingUpAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep := downFor(time.Hour)
		s := stage.Chain(middleware.Retry(steady, 2), middleware.Breaker("db", middleware.TripAfter(2)))(dep)
		if _, err := s.Process(t.Context(), order(1)); err != nil {
			t.Error(err)
		}
	})
}

func TestOnlyFailuresOfTheDependencyOpenTheBreaker(t *testing.T) {
	t.Parallel()
	mine := func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
	for name, test := range map[string]struct {
		err  error
		opts []middleware.BreakerOption
		open bool
	}{
		"transient":            {errBoom, nil, true},
		"dead-lettered":        {&stage.DeadLetteredError{Err: errBoom}, nil, true},
		"permanent":            {retry.Permanent(errBoom), nil, false},
		"payload":              {&stage.PayloadError{Op: "decode", Err: errBoom}, nil, false},
		"skip":                 {stage.Skip, nil, false},
		"released":             {stage.ErrReleased, nil, false},
		"success":              {nil, nil, false},
		"classified, no":       {errBoom, []middleware.BreakerOption{middleware.TripIf(mine)}, false},
		"classified, yes":      {context.DeadlineExceeded, []middleware.BreakerOption{middleware.TripIf(mine)}, true},
		"not often enough":     {errBoom, []middleware.BreakerOption{middleware.TripAfter(4)}, false},
		"exactly often enough": {errBoom, []middleware.BreakerOption{middleware.TripAfter(3)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				ctx, cancel := context.WithTimeout(h.context(t), time.Second)
				defer cancel()
				s := middleware.Breaker("db", append([]middleware.BreakerOption{middleware.TripAfter(3)}, test.opts...)...)(always(test.err))
				for range 3 {
					_, _ = s.Process(ctx, order(1))
				}
				if open := len(h.parked()) > 0; open != test.open {
					t.Errorf("open: %v", open)
				}
			})
		})
	}
}

func TestAPanickingOrTakenAwayProbeFreesItsPlace(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context) error{
		"panic":      func(context.Context) error { panic(errBoom) },
		"taken away": func(context.Context) error { return stage.ErrReleased },
		"permanent":  func(context.Context) error { return retry.Permanent(errBoom) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, calls := newHost(), 0
				inner := stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) {
					switch calls++; calls {
					case 1:
						return nil, errBoom
					case 2:
						return nil, end(ctx)
					}
					return msg, nil
				})
				s := middleware.Recover()(middleware.Breaker("db", middleware.TripAfter(1))(inner))
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { _, _ = s.Process(h.context(t), order(1)) })
					synctest.Wait()
				}
				start := time.Now()
				wg.Wait() // a probe that keeps its place would be a deadlock
				if took := time.Since(start); calls < 4 || took > 3*middleware.DefaultProbeInterval {
					t.Errorf("%d calls in %v", calls, took)
				}
			})
		})
	}
}

func TestWaitersOfABreakerWakeAtOnceAndLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep, probing := downFor(15*time.Second), make(chan time.Duration, 100)
		start := time.Now()
		inner := stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			out, err := dep.Process(ctx, msg)
			if err == nil {
				probing <- time.Since(start)
			}
			return out, err
		})
		s := middleware.Breaker("db", middleware.TripAfter(1))(inner)
		var wg sync.WaitGroup
		first, cancel := context.WithCancel(t.Context())
		drained := newHost()
		for i, ctx := range []context.Context{first, drained.context(t), t.Context(), t.Context(), t.Context()} {
			wg.Go(func() {
				_, err := s.Process(ctx, order(int64(i)))
				if want := []error{context.Canceled, stage.ErrReleased, nil, nil, nil}[i]; !errors.Is(err, want) {
					t.Errorf("message %d: %v", i, err)
				}
				if i < 2 && time.Since(start) != time.Second {
					t.Errorf("message %d left after %v", i, time.Since(start))
				}
			})
			synctest.Wait()
		}
		time.Sleep(time.Second)
		cancel()
		close(drained.draining)
		wg.Wait()
		for range 3 {
			if at := <-probing; at < 20*time.Second || at > 20*time.Second+5*ms {
				t.Errorf("went on after %v", at)
			}
		}
	})
}

func TestTheBreakersStateIsAGauge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		state := func() int64 {
			return collected(t, reader)["burrow.breaker.state"].Data.(metricdata.Gauge[int64]).DataPoints[0].Value
		}
		dep := downFor(time.Minute)
		s := middleware.Breaker("db", middleware.TripAfter(1), middleware.BreakerMeterProvider(provider))(dep)
		if state() != 0 {
			t.Errorf("begins as %d", state())
		}
		done := make(chan struct{})
		go func() { defer close(done); _, _ = s.Process(t.Context(), order(1)) }()
		synctest.Wait()
		if state() != 2 {
			t.Errorf("down: %d", state())
		}
		<-done
		if state() != 0 {
			t.Errorf("up again: %d", state())
		}
	})
}

func TestAHalfOpenBreakerNeedsAllItsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep, busy, most := downFor(time.Second), atomic.Int32{}, atomic.Int32{}
		s := middleware.Breaker("db", middleware.TripAfter(1), middleware.Probes(3))(stage.Func(
			func(ctx context.Context, msg stage.Message) (stage.Message, error) {
				if _, err := dep.Process(ctx, msg); err != nil {
					return nil, err
				}
				if n := busy.Add(1); n > most.Load() && dep.calls.Load() <= 4 {
					most.Store(n)
				}
				defer busy.Add(-1)
				time.Sleep(time.Second)
				return msg, nil
			}))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { _, _ = s.Process(t.Context(), order(1)) })
			synctest.Wait()
		}
		start := time.Now()
		wg.Wait()
		if took := time.Since(start).Round(time.Second); most.Load() != 3 || took != 12*time.Second {
			t.Errorf("%d probes at once, %v", most.Load(), took)
		}
	})
}

func ExampleBreaker() {
	calls := 0
	charge := stage.Handle(func(context.Context, []byte) error {
		if calls++; calls == 1 {
			return errors.New("connection refused")
		}
		return nil
	})
	guarded := middleware.Breaker("payments", middleware.TripAfter(1), middleware.ProbeInterval(time.Millisecond))(charge)
	_, err := guarded.Process(context.Background(), stage.New(nil, []byte("order")))
	fmt.Println(calls, err)
	// Output: 2 <nil>
}

func TestAfterASlowProbeFailedTheNextOneMindsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep := downFor(time.Minute)
		s := middleware.Breaker("db", middleware.TripAfter(1))(stage.Func(
			func(ctx context.Context, msg stage.Message) (stage.Message, error) {
				_, err := dep.Process(ctx, msg)
				time.Sleep(time.Second)
				return msg, err
			}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := s.Process(ctx, order(1)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		start := time.Now()
		wg.Wait()
		if took := time.Since(start); took > time.Minute+2*middleware.DefaultProbeInterval {
			t.Errorf("took %v", took)
		}
	})
}
