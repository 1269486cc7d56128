package pipeline

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

var errBoom = errors.New("boom")

func failing(offsets ...int64) stage.Func {
	bad := make(map[int64]bool)
	for _, o := range offsets {
		bad[o] = true
	}
	return func(_ context.Context, m stage.Message) (stage.Message, error) {
		if bad[m.Position().Offset] {
			return nil, errBoom
		}
		return m, nil
	}
}

func TestFailuresInARowHaltAndHoldTheCommit(t *testing.T) {
	cases := map[string]struct {
		max    int
		bad    []int64
		commit int64 // next offset committed at the end
		at     int64 // offset of the error; −1 for none
		code   ErrorCode
	}{
		"the first by default":            {1, []int64{3}, 3, 3, ThresholdExceeded},
		"E E S E E E with three":          {3, []int64{0, 1, 3, 4, 5}, 0, 5, ThresholdExceeded},
		"never three in a row":            {3, []int64{2, 3, 5, 6}, 2, -1, 0},
		"a gap in front of what is done":  {2, []int64{4}, 4, -1, 0},
		"nothing fails":                   {1, nil, 10, -1, 0},
		"the last one":                    {1, []int64{9}, 9, 9, ThresholdExceeded},
		"two in a row, after one success": {2, []int64{1, 2}, 1, 2, ThresholdExceeded},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newFakeSource(10)
				_, stop := start(t, src, Config{Workers: 1, Ordering: Unordered, MaxConsecutive: tc.max}, failing(tc.bad...))
				time.Sleep(time.Minute)
				err := stop()
				if got := src.last(0); got != tc.commit {
					t.Errorf("committed %d, want %d", got, tc.commit)
				}
				if tc.at < 0 {
					if err != nil {
						t.Errorf("halted: %v", err)
					}
					return
				}
				var e *Error
				if !errors.As(err, &e) || e.Offset != tc.at || !errors.Is(err, tc.code) || !errors.Is(err, errBoom) {
					t.Errorf("error %v, want %v at %d", err, tc.code, tc.at)
				}
				if !errors.Is(err, ProcessingFailed) {
					t.Errorf("error %v names no failed message", err)
				}
			})
		})
	}
}

func TestAFailedMessageBlocksItsPartitionByPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		var seen atomic.Int64
		_, stop := start(t, src, Config{Ordering: ByPartition, MaxConsecutive: 5}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			seen.Store(m.Position().Offset)
			return failing(4)(ctx, m)
		})
		time.Sleep(time.Minute)
		if err := stop(); !errors.Is(err, WindowBlocked) {
			t.Errorf("error %v", err)
		}
		if seen.Load() != 4 || src.last(0) != 4 {
			t.Errorf("saw %d, committed %d", seen.Load(), src.last(0))
		}
	})
}

func TestAWindowFullBehindAFailureHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100)
		_, stop := start(t, src, Config{Ordering: Unordered, MaxConsecutive: 5, MaxInFlight: 20}, failing(30))
		time.Sleep(time.Minute)
		if err := stop(); !errors.Is(err, WindowBlocked) || !errors.Is(err, errBoom) {
			t.Errorf("error %v", err)
		}
		if src.last(0) != 30 {
			t.Errorf("committed %d", src.last(0))
		}
	})
}

func TestSkipFailuresPassesAFailureLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100)
		p, stop := start(t, src, Config{
			Ordering: ByPartition, MaxConsecutive: 5, Strategy: offsets.SkipFailures{After: time.Minute},
		}, failing(30))
		time.Sleep(50 * time.Second)
		if src.last(0) != 30 {
			t.Errorf("committed %d before the time", src.last(0))
		}
		time.Sleep(20 * time.Second)
		if src.last(0) != 100 {
			t.Errorf("committed %d: %+v", src.last(0), p.Stats())
		}
		if s := p.Stats(); s.Passed != 1 || s.Processed != 99 || s.Failed != 1 {
			t.Errorf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAPanicIsAFailedMessageWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(3)
		_, stop := start(t, src, Config{}, func(context.Context, stage.Message) (stage.Message, error) { panic(errBoom) })
		time.Sleep(time.Second)
		err := stop()
		var p *stage.PanicError
		if !errors.As(err, &p) || len(p.Stack) == 0 || !errors.Is(err, errBoom) {
			t.Errorf("error %v", err)
		}
	})
}

func TestMiddlewareAroundAllStepsSeesTheirPanicsAndMayPanicItself(t *testing.T) {
	boom := func(context.Context, stage.Message) (stage.Message, error) { panic(errBoom) }
	for name, c := range map[string]struct {
		step stage.Func
		mw   stage.Middleware
	}{
		"the step panics": {boom, func(next stage.Stage) stage.Stage {
			return stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
				defer func() {
					v := recover()
					if failed, ok := v.(*stage.Error); !ok || failed.Stage != "handle" {
						t.Errorf("the middleware sees the panic %v, want one with the name of the step", v)
					}
					panic(v)
				}()
				return next.Process(ctx, m)
			})
		}},
		"the middleware panics": {ok, func(stage.Stage) stage.Stage { return stage.Func(boom) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := New(Config{Steps: []Step{{Name: "handle", Stage: c.step}}, Middleware: c.mw})
			_, err := p.Process(t.Context(), stage.New(nil, nil))
			if _, ok := errors.AsType[*stage.PanicError](err); !ok || !errors.Is(err, errBoom) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAHandlerThatEndsItsGoroutineFailsAndCostsNoWorker(t *testing.T) {
	for _, quick := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			src := newFakeSource(300)
			p, stop := start(t, src, Config{Workers: 2, Ordering: Unordered, MaxConsecutive: 1000}, func(_ context.Context, m stage.Message) (stage.Message, error) {
				if !quick {
					time.Sleep(time.Millisecond)
				}
				if m.Position().Offset%10 == 9 {
					runtime.Goexit()
				}
				return m, nil
			})
			time.Sleep(time.Minute)
			if s := p.Stats(); s.Failed != 30 || s.Processed != 270 || s.InFlight != 0 {
				t.Errorf("quick %v: %+v", quick, s)
			}
			_ = stop()
		})
	}
}

func TestAFrozenClaimLeavesTheOthersAloneAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100, 100)
		var broken atomic.Bool
		broken.Store(true)
		p, stop := start(t, src, Config{Ordering: Unordered, FailureMode: Freeze}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if broken.Load() && m.Position().Partition == 0 && m.Position().Offset >= 40 {
				return nil, errBoom
			}
			time.Sleep(time.Millisecond)
			return m, nil
		})
		time.Sleep(time.Minute)
		if src.last(0) != 40 || src.last(1) != 100 {
			t.Errorf("committed %d and %d", src.last(0), src.last(1))
		}
		if err := p.Health(); !errors.Is(err, ErrFrozen) {
			t.Errorf("health %v", err)
		}
		if x := p.Explain("t", 0); x.State != "failed" || x.Offset != 40 || !errors.Is(x.LastError, errBoom) {
			t.Errorf("explanation %+v", x)
		}
		broken.Store(false)
		if err := p.ResumeClaim("t", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if src.last(0) != 100 {
			t.Errorf("committed %d after resuming: %+v", src.last(0), p.Stats())
		}
		if err := p.Health(); err != nil {
			t.Errorf("health %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAPausedSourceBehindAFailureIsNoSilence(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			src := newFakeSource(200)
			src.claims[0].obeys = true
			_, stop := start(t, src, Config{Ordering: Unordered, MaxConsecutive: 5, MaxInFlight: 20, Workers: 3}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
				time.Sleep(time.Millisecond)
				return failing(30)(ctx, m)
			})
			time.Sleep(time.Minute)
			if err := stop(); !errors.Is(err, WindowBlocked) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAFreezeDecidedBeforeAResumptionDoesNotUndoIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		var tries atomic.Int32
		p, stop := start(t, src, Config{Ordering: Unordered, FailureMode: Freeze, MaxConsecutive: 5, MaxInFlight: 2}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset > 0 {
				return m, nil
			}
			if tries.Add(1) == 1 {
				return nil, errBoom
			}
			time.Sleep(time.Second)
			return m, nil
		})
		synctest.Wait()
		if err := p.Health(); !errors.Is(err, ErrFrozen) {
			t.Fatalf("health %v", err)
		}
		if err := p.ResumeClaim("t", 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		p.running().claims()[0].block(0, errBoom) // as a reader that saw the message fail, and was slow to act
		if err := p.Health(); err != nil {
			t.Errorf("health %v", err)
		}
		time.Sleep(time.Minute)
		if src.last(0) != 10 {
			t.Errorf("committed %d: %v", src.last(0), p.Health())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
