package pipeline

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// hookedLog is a logger that does something at each line.
type hookedLog struct{ fire func(*logrus.Entry) }

func (h hookedLog) Levels() []logrus.Level        { return logrus.AllLevels }
func (h hookedLog) Fire(line *logrus.Entry) error { h.fire(line); return nil }

func newHookedLog(fire func(*logrus.Entry)) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(hookedLog{fire})
	return log
}

func TestALoggerThatPanicsCostsItsLinesAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100, 100)
		src.verdict = refusing(3) // the committer has something to log, too
		lines := 0
		var mu sync.Mutex
		log := newHookedLog(func(*logrus.Entry) {
			mu.Lock()
			lines++
			mu.Unlock()
			panic("the disk of the log is full")
		})
		p, stop := start(t, src, Config{Logger: log, Ordering: Unordered, FailureMode: Freeze, MaxConsecutive: 1}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Partition == 1 {
				return failing(40)(ctx, m)
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if src.last(0) != 100 || src.last(1) != 40 {
			t.Errorf("committed %d and %d, want 100 and 40: %+v", src.last(0), src.last(1), p.Stats())
		}
		if err := p.Health(); !errors.Is(err, ErrFrozen) {
			t.Errorf("Health: %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if lines < 3 {
			t.Errorf("%d lines were to be written", lines)
		}
	})
}

// refusing refuses the first n commits.
func refusing(n int) func(source.Commit) error {
	return func(source.Commit) error {
		if n--; n >= 0 {
			return errors.New("not now")
		}
		return nil
	}
}

func TestALoggerThatBlocksHoldsOnlyTheMessageItIsToldAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100, 100)
		open := make(chan struct{})
		log := newHookedLog(func(line *logrus.Entry) {
			if line.Data["offset"] != nil {
				<-open
			}
		})
		p, stop := start(t, src, Config{Logger: log, Workers: 4, Ordering: Unordered, MaxConsecutive: 5}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(time.Millisecond)
			if m.Position().Partition == 1 {
				return failing(40)(ctx, m)
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Processed != 199 || src.last(0) != 100 || src.last(1) != 40 {
			t.Errorf("processed %d, committed %d and %d, want 199, 100 and 40", s.Processed, src.last(0), src.last(1))
		}
		close(open)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAMeterThatPanicsCostsItsFiguresAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100)
		src.verdict = refusing(3)
		_, stop := start(t, src, Config{MeterProvider: hostileProvider{}}, ok)
		time.Sleep(time.Minute)
		if src.last(0) != 100 {
			t.Errorf("committed %d", src.last(0))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// hostileProvider's instruments panic when they are used.
type hostileProvider struct{ noop.MeterProvider }

func (hostileProvider) Meter(string, ...metric.MeterOption) metric.Meter { return hostileMeter{} }

type hostileMeter struct{ noop.Meter }

func (hostileMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return hostileHistogram{}, nil
}

func (hostileMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return hostileCounter{}, nil
}

type hostileHistogram struct{ noop.Float64Histogram }

func (hostileHistogram) Record(context.Context, float64, ...metric.RecordOption) { panic("metrics") }

type hostileCounter struct{ noop.Int64Counter }

func (hostileCounter) Add(context.Context, int64, ...metric.AddOption) { panic("metrics") }

// There is no channel of events that somebody must read, and one who reads the gauges
// and never ends holds nobody up.
func TestAReaderOfTheGaugesThatNeverEndsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10_000)
		meter := &readMeter{registered: make(chan metric.Callback, 1)}
		_, stop := start(t, src, Config{Workers: 4, MaxInFlight: 100, Ordering: Unordered, MeterProvider: readProvider{meter: meter}}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(time.Millisecond)
			return m, nil
		})
		read := <-meter.registered
		time.Sleep(10 * time.Millisecond)
		begun, end, over := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(over)
			_ = read(t.Context(), stuckObserver{begun: begun, end: end})
		}()
		<-begun
		time.Sleep(time.Minute)
		if src.last(0) != 10_000 {
			t.Errorf("committed %d", src.last(0))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		close(end)
		<-over
	})
}

type readProvider struct {
	noop.MeterProvider
	meter metric.Meter
}

func (p readProvider) Meter(string, ...metric.MeterOption) metric.Meter { return p.meter }

type readMeter struct {
	noop.Meter
	registered chan metric.Callback
}

func (m *readMeter) RegisterCallback(f metric.Callback, _ ...metric.Observable) (metric.Registration, error) {
	m.registered <- f
	return noop.Registration{}, nil
}

// stuckObserver takes a figure when its reader lets it.
type stuckObserver struct {
	noop.Observer
	begun, end chan struct{}
}

func (o stuckObserver) ObserveFloat64(metric.Float64Observable, float64, ...metric.ObserveOption) {
	select {
	case o.begun <- struct{}{}:
	default:
	}
	<-o.end
}

func TestRunTwiceIsAnErrorAndHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100)
		p, stop := start(t, src, Config{Workers: 1}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(100 * time.Millisecond)
			return m, nil
		})
		time.Sleep(time.Second) // in the midst of the messages
		if err := p.Run(t.Context()); !errors.Is(err, Misused) {
			t.Errorf("the second Run: %v", err)
		}
		if err := p.Health(); err != nil {
			t.Errorf("after the second Run: %v", err)
		}
		time.Sleep(time.Minute)
		if err := stop(); err != nil || src.last(0) != 100 {
			t.Errorf("the first Run: %v, committed %d", err, src.last(0))
		}
		if err := p.Run(t.Context()); !errors.Is(err, Misused) {
			t.Errorf("Run after Run: %v", err)
		}
	})
}

// What a handler may call of its own pipeline waits for no message.
func TestAHandlerMayStopItsPipelineAndCallAnythingOfIt(t *testing.T) {
	for name, call := range map[string]func(*Pipeline){
		"nothing": func(*Pipeline) {}, "Pause": (*Pipeline).Pause, "Resume": (*Pipeline).Resume,
		"Stats": func(p *Pipeline) { p.Stats() }, "Health": func(p *Pipeline) { _ = p.Health() }, "Explain": func(p *Pipeline) { p.Explain("t", 0) },
		"ResumeClaim": func(p *Pipeline) { _ = p.ResumeClaim("t", 0) }, "Run": func(p *Pipeline) { _ = p.Run(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newFakeSource(100)
				ctx, cancel := context.WithCancel(t.Context())
				var p *Pipeline
				p = New(Config{Source: src, Steps: []Step{{Name: "handle", Stage: stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Offset == 10 {
						cancel() // from inside
						cancel() // and again
						call(p)
					}
					return m, nil
				})}}})
				if err := p.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
				if src.last(0) < 11 && name != "Pause" { // after which not even what waits in front of 10 is started
					t.Errorf("committed %d, the handler had finished 10", src.last(0))
				}
			})
		})
	}
}
