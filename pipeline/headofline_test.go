package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vlab-research/burrow/stage"
)

// hanging waits for its context at the given offsets, and elsewhere takes a moment.
func hanging(offsets ...int64) stage.Func {
	bad := make(map[int64]bool)
	for _, o := range offsets {
		bad[o] = true
	}
	return func(ctx context.Context, m stage.Message) (stage.Message, error) {
		if bad[m.Position().Offset] {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		time.Sleep(time.Millisecond)
		return m, nil
	}
}

// obedient makes the source pause at once, as a broker with small fetches does.
func obedient(partitions ...int) *fakeSource {
	src := newFakeSource(partitions...)
	for _, c := range src.claims {
		c.obeys = true
	}
	return src
}

// watched returns the settings of the tests, with a policy.
func watched(policy *HeadOfLine) Config {
	return Config{Ordering: Unordered, MaxInFlight: 100, CommitInterval: time.Second, HeadOfLine: policy, MaxConsecutive: 1000}
}

func TestOneMessageThatHoldsAFullWindowIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		cfg := watched(nil)
		cfg.MeterProvider = metric.NewMeterProvider(metric.WithReader(reader))
		p, stop := start(t, obedient(1000), cfg, hanging(30))
		time.Sleep(30 * time.Second)
		if x := p.Explain("t", 0); !x.HeadOfLine || x.Offset != 30 || x.Stage != "handle" || !strings.Contains(x.String(), "alone") {
			t.Errorf("explanation %+v", x)
		}
		if err := p.Health(); err != nil {
			t.Errorf("health before the time: %v", err)
		}
		time.Sleep(time.Minute)
		if err := p.Health(); !errors.Is(err, ErrHeadOfLine) || !errors.Is(err, ErrStalled) || !strings.Contains(err.Error(), "t/0@30") {
			t.Errorf("health %v", err)
		}
		if got := gaugeValue(t, reader, "burrow.window.head_of_line"); got != 1 {
			t.Errorf("gauge %v", got)
		}
		if s := p.Stats().Partitions[0]; !s.HeadOfLine || s.Cut != 0 {
			t.Errorf("stats %+v", s)
		}
		_ = stop()
	})
}

// gaugeValue is the sum of a gauge over its attributes, −1 if there is none.
func gaugeValue(t *testing.T, reader *metric.ManualReader, name string) float64 {
	t.Helper()
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Gauge[float64]); ok && m.Name == name && len(data.DataPoints) > 0 {
				sum := 0.0
				for _, point := range data.DataPoints {
					sum += point.Value
				}
				return sum
			}
		}
	}
	return -1
}

func TestWhatIsNotOneMessageAloneIsNotReported(t *testing.T) {
	cases := map[string]struct {
		ordering Ordering
		handle   stage.Func
	}{
		"everything hangs": {Unordered, func(ctx context.Context, _ stage.Message) (stage.Message, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		"a window with room": {Unordered, hanging(970)},
		"several hang":       {Unordered, hanging(30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41)},
		"one at a time":      {ByPartition, hanging(30)},
		"all are merely slow": {Unordered, func(_ context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(40 * time.Second)
			return m, nil
		}},
		"nothing is the matter": {Unordered, ok},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := watched(&HeadOfLine{After: 10 * time.Second})
				cfg.Ordering, cfg.Workers = tc.ordering, 20
				p, stop := start(t, obedient(1000), cfg, tc.handle)
				for range 10 {
					time.Sleep(11 * time.Second)
					if x := p.Explain("t", 0); x.HeadOfLine {
						t.Errorf("explanation %+v", x)
					}
				}
				if s := p.Stats(); s.Cut != 0 {
					t.Errorf("%d attempts were cancelled", s.Cut)
				}
				_ = stop()
			})
		})
	}
}

func TestTheAttemptThatHoldsAWindowIsCancelledForThoseAroundIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := obedient(1000)
		var seen atomic.Pointer[error]
		var outerAlive atomic.Bool
		cfg := watched(&HeadOfLine{After: 10 * time.Second})
		cfg.Middleware = func(next stage.Stage) stage.Stage {
			return stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
				out, err := next.Process(ctx, m)
				if err != nil && m.Position().Offset == 30 {
					seen.Store(&err)
					outerAlive.Store(ctx.Err() == nil)
					return nil, &stage.DeadLetteredError{Topic: "dead", Err: err}
				}
				return out, err
			})
		}
		p, stop := start(t, src, cfg, hanging(30))
		time.Sleep(9 * time.Second)
		if seen.Load() != nil {
			t.Error("cancelled before the time")
		}
		time.Sleep(10 * time.Second)
		if seen.Load() == nil || !errors.Is(*seen.Load(), ErrHeadOfLine) || !outerAlive.Load() {
			t.Fatalf("saw %v, outer context alive: %v", seen.Load(), outerAlive.Load())
		}
		if s := p.Stats(); s.Cut != 1 || s.DeadLettered != 1 || s.Processed != 999 || src.last(0) != 1000 {
			t.Errorf("committed %d: %+v", src.last(0), s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatWaitsForTheKeyOfTheHeadDoesNotCountAgainstIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(0)
		src.claims[0] = newFakeClaim(0, 0)
		src.claims[0].messages = make(chan stage.Message, 1000)
		src.claims[0].obeys = true
		for i := range 1000 { // a third of them are of one key
			key := []byte("hot")
			if i%3 != 0 {
				key = nil
			}
			src.claims[0].messages <- stage.New(key, nil, stage.At(stage.Position{Topic: "t", Offset: int64(i)}))
		}
		cfg := watched(nil)
		cfg.Ordering = ByKey
		p, stop := start(t, src, cfg, hanging(30))
		time.Sleep(30 * time.Second)
		if x := p.Explain("t", 0); !x.HeadOfLine || x.Offset != 30 || x.KeyHash == 0 {
			t.Errorf("explanation %+v: %+v", x, p.Stats())
		}
		_ = stop()
	})
}

func TestTheBudgetKeepsAnOutageFromBeingMistakenForBadMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := obedient(claimsOf(20, 1000)...)
		var cut atomic.Int64
		cfg := watched(&HeadOfLine{After: 10 * time.Second, Burst: 2, Every: time.Minute})
		cfg.Workers = 100
		p, stop := start(t, src, cfg, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			out, err := hanging(30)(ctx, m)
			if err != nil {
				cut.Add(1)
				return nil, stage.Skip
			}
			return out, err
		})
		time.Sleep(30 * time.Second)
		if cut.Load() != 2 {
			t.Errorf("%d cancelled, the budget is 2", cut.Load())
		}
		time.Sleep(3 * time.Minute)
		if n := cut.Load(); n != 5 || p.Stats().Cut != 5 {
			t.Errorf("%d cancelled after three more minutes, want 5", n)
		}
		_ = stop()
	})
}

func claimsOf(n, each int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = each
	}
	return list
}

func TestAHandlerThatIgnoresItsContextIsCancelledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := obedient(1000)
		cfg := watched(&HeadOfLine{After: 10 * time.Second, Burst: 100})
		p, stop := start(t, src, cfg, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 30 {
				time.Sleep(5 * time.Minute)
			}
			return m, nil
		})
		time.Sleep(4 * time.Minute)
		if s := p.Stats(); s.Cut != 1 || s.InFlight != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Minute)
		if s := p.Stats(); s.Processed != 1000 || s.Failed != 0 {
			t.Errorf("a late success is no success: %+v", s)
		}
		_ = stop()
	})
}

func TestAParkedMessageIsNotCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := obedient(1000)
		p, stop := start(t, src, watched(&HeadOfLine{After: 10 * time.Second}), func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 30 {
				return m, stage.Park(ctx, 2*time.Minute)
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if x := p.Explain("t", 0); !x.HeadOfLine || !strings.HasPrefix(x.State, "parked") {
			t.Errorf("explanation %+v", x)
		}
		time.Sleep(2 * time.Minute)
		if s := p.Stats(); s.Cut != 0 || s.Processed != 1000 {
			t.Errorf("%+v", s)
		}
		_ = stop()
	})
}

func TestParkedMessagesAreVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		reader := metric.NewManualReader()
		cfg := Config{Ordering: Unordered, MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))}
		p, stop := start(t, src, cfg, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 7 {
				time.Sleep(time.Second)
				return m, stage.Parking{For: time.Hour, Reason: "breaker"}.Wait(ctx)
			}
			return m, stage.Parking{For: time.Minute, Reason: "retry", Attempt: 1, Cause: errBoom}.Wait(ctx)
		})
		began := time.Now()
		time.Sleep(30 * time.Second)
		s := p.Stats().Partitions[0]
		if s.Parked != 10 || s.ParkedBy["retry"] != 9 || s.ParkedBy["breaker"] != 1 {
			t.Errorf("parked %d by %v", s.Parked, s.ParkedBy)
		}
		if s.OldestParkedAge != 30*time.Second || s.OldestParked < 0 || !s.NextRetry.Equal(began.Add(time.Minute)) {
			t.Errorf("oldest %d for %v, next at %v", s.OldestParked, s.OldestParkedAge, s.NextRetry.Sub(began))
		}
		for name, want := range map[string]float64{
			"burrow.messages.parked": 10, "burrow.messages.parked.by": 10,
			"burrow.messages.parked.oldest.age": 30, "burrow.messages.parked.next": 30,
		} {
			if got := gaugeValue(t, reader, name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		time.Sleep(time.Minute)
		if s := p.Stats().Partitions[0]; s.OldestParked != 7 || s.OldestParkedAge != 89*time.Second {
			t.Errorf("oldest %d for %v", s.OldestParked, s.OldestParkedAge)
		}
		_ = stop()
	})
}
