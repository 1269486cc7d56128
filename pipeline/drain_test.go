package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

func TestARevokedClaimWaitsForWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(5, 5)
		var ended atomic.Int64
		p, stop := start(t, src, Config{Workers: 10, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(time.Duration(m.Position().Offset+1) * time.Second)
			ended.Add(1)
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		src.claims[0].revoke()
		time.Sleep(10 * time.Second)
		if src.last(0) != 5 || ended.Load() != 10 {
			t.Errorf("committed %d, ended %d", src.last(0), ended.Load())
		}
		if s := p.Stats(); len(s.Partitions) != 1 || s.Partitions[0].Partition != 1 || s.Processed != 10 {
			t.Errorf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestARevokedClaimGivesUpAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(5)
		var cause atomic.Value
		p, stop := start(t, src, Config{Workers: 10, Ordering: Unordered}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 3 {
				<-ctx.Done()
				cause.Store(context.Cause(ctx))
				time.Sleep(time.Minute) // ignores it for a while
			}
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		src.claims[0].revoke()
		time.Sleep(29 * time.Second)
		if len(p.Stats().Partitions) != 1 {
			t.Error("the claim returned before its deadline")
		}
		time.Sleep(2 * time.Second)
		if s := p.Stats(); len(s.Partitions) != 0 || src.last(0) != 3 {
			t.Errorf("committed %d: %+v", src.last(0), s)
		}
		if err, _ := cause.Load().(error); !errors.Is(err, PartitionRevoked) {
			t.Errorf("cause %v", err)
		}
		time.Sleep(2 * time.Minute)
		if src.last(0) != 3 {
			t.Errorf("the late result was committed: %d", src.last(0))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestStoppingWithWorkLeftSaysWhich(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(5)
		_, stop := start(t, src, Config{Workers: 10, Ordering: Unordered, DrainTimeout: time.Second}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 3 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		err := stop()
		var e *Error
		if !errors.As(err, &e) || e.Code != DrainTimeout || e.Offset != 3 {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		if src.last(0) != 3 {
			t.Errorf("committed %d", src.last(0))
		}
	})
}

func TestAFencedClaimCommitsNothingMoreAndCancelsItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100, 100)
		src.verdict = func(c source.Commit) error {
			if c.Claim.Partition() == 0 {
				return fmt.Errorf("wrapped: %w", source.ErrFenced)
			}
			return nil
		}
		var cancelled atomic.Int64
		p, stop := start(t, src, Config{Workers: 4, Ordering: Unordered}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			select {
			case <-time.After(1300 * time.Millisecond):
				return m, nil
			case <-ctx.Done():
				cancelled.Add(1)
				return nil, ctx.Err()
			}
		})
		time.Sleep(2 * time.Minute)
		if len(src.commits(0)) != 0 || src.last(1) != 100 || cancelled.Load() == 0 {
			t.Errorf("commits %v, %d; cancelled %d", src.commits(0), src.last(1), cancelled.Load())
		}
		if s := p.Stats(); s.Failed != 0 {
			t.Errorf("cancelled work counts as failed: %+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestParkedMessagesHoldNoWorkerAndEndWithTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100)
		p, stop := start(t, src, Config{Workers: 2, Ordering: Unordered}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset < 50 {
				if err := (stage.Parking{For: time.Hour, Reason: "test"}).Wait(ctx); err != nil {
					return nil, err
				}
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Parked != 50 || s.Processed != 50 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
		if x := p.Explain("t", 0); x.State != "parked (test)" || x.Offset != 0 {
			t.Errorf("%+v", x)
		}
		began := time.Now()
		if err := stop(); err != nil || time.Since(began) > time.Millisecond {
			t.Errorf("stopped with %v after %v", err, time.Since(began))
		}
		if len(src.commits(0)) != 0 {
			t.Errorf("committed %v", src.commits(0))
		}
	})
}

func TestParkedMessagesGoOnWithAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100, 100)
		var busy, most atomic.Int64
		p, stop := start(t, src, Config{Workers: 3}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if err := stage.Park(ctx, time.Second); err != nil {
				return nil, err
			}
			most.Store(max(most.Load(), busy.Add(1)))
			time.Sleep(time.Second)
			busy.Add(-1)
			return m, nil
		})
		time.Sleep(69 * time.Second)
		if s := p.Stats(); s.Processed != 200 || s.Parked != 0 || most.Load() != 3 {
			t.Errorf("at most %d at once; %+v", most.Load(), s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestABlockedReaderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(1000)
		p, stop := start(t, src, Config{Workers: 3, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset%300 == 299 {
				time.Sleep(time.Minute)
			}
			return m, nil
		})
		time.Sleep(time.Second)
		// three messages sleep and hold all workers: at 299, 599 and 899
		if s := p.Stats(); s.InFlight != 3 || s.Processed < 800 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Minute)
		if src.last(0) != 1000 {
			t.Errorf("committed %d", src.last(0))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullWindowStopsOnlyItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(1000, 1000)
		release := make(chan struct{})
		p, stop := start(t, src, Config{Workers: 8, Ordering: Unordered, MaxInFlight: 100}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position() == (stage.Position{Topic: "t", Partition: 0, Offset: 50}) {
				<-release
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		s := p.Stats()
		if a, b := s.Partitions[0], s.Partitions[1]; a.Repeats != 100 || a.Committed != 49 || b.Committed != 999 || a.Held == 0 {
			t.Errorf("%+v", s)
		}
		if !isPaused(src.claims[0]) {
			t.Error("the source was not asked to pause")
		}
		if err := p.Health(); !errors.Is(err, ErrStalled) {
			t.Errorf("health %v", err)
		}
		close(release)
		time.Sleep(time.Minute)
		if src.last(0) != 1000 || p.Health() != nil {
			t.Errorf("committed %d, health %v", src.last(0), p.Health())
		}
		if isPaused(src.claims[0]) {
			t.Error("the source was not asked to go on")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestARefusedCommitIsRepeatedAndVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		var refuse atomic.Bool
		refuse.Store(true)
		src.verdict = func(source.Commit) error {
			if refuse.Load() {
				return errors.New("rebalance in progress")
			}
			return nil
		}
		p, stop := start(t, src, Config{}, ok)
		time.Sleep(20 * time.Second)
		if err := p.Health(); !errors.Is(err, ErrCommitRefused) || p.Stats().Partitions[0].Committed != -1 {
			t.Errorf("health %v, %+v", err, p.Stats())
		}
		refuse.Store(false)
		time.Sleep(lastCommitRetry + time.Second)
		if p.Health() != nil || src.last(0) != 10 {
			t.Errorf("health %v, committed %d", p.Health(), src.last(0))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestADeniedCommitEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		src.verdict = func(source.Commit) error { return source.ErrDenied }
		_, stop := start(t, src, Config{}, ok)
		time.Sleep(20 * time.Second)
		if err := stop(); !errors.Is(err, CommitFailed) || !errors.Is(err, source.ErrDenied) {
			t.Errorf("error %v", err)
		}
	})
}

func TestPauseStartsNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(1000)
		p, stop := start(t, src, Config{Workers: 1}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(10*time.Second + time.Millisecond)
		p.Pause()
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Processed != 11 {
			t.Errorf("%+v", s)
		}
		p.Resume()
		time.Sleep(10*time.Second + time.Millisecond)
		if s := p.Stats(); s.Processed != 21 {
			t.Errorf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestADrainWaitsAlsoWhileCommitsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(5)
		began := time.Now()
		src.verdict = func(source.Commit) error {
			if time.Since(began) < 20*time.Second {
				return errors.New("coordinator is loading")
			}
			return nil
		}
		_, stop := start(t, src, Config{Workers: 5, Ordering: Unordered}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 0 {
				return m, nil
			}
			select {
			case <-time.After(25 * time.Second):
				return m, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		time.Sleep(time.Second)
		if err := stop(); err != nil || src.last(0) != 5 {
			t.Errorf("committed %d, error %v", src.last(0), err)
		}
	})
}

// A coordinator that is away for a while doesn't cost the last commit while there is
// time of the drain left, and one that stays away doesn't cost more than that.
func TestTheLastCommitHasWhatIsLeftOfTheDrain(t *testing.T) {
	for _, test := range []struct {
		away, ends time.Duration
		code       ErrorCode
	}{
		{away: 20 * time.Second, ends: 25 * time.Second},
		{away: time.Hour, ends: DefaultDrainTimeout + DefaultCommitTimeout, code: CommitFailed},
	} {
		t.Run(test.away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newFakeSource(5)
				began := time.Now()
				src.verdict = func(source.Commit) error {
					if time.Since(began) < test.away {
						return errors.New("no coordinator")
					}
					return nil
				}
				_, stop := start(t, src, Config{}, func(_ context.Context, m stage.Message) (stage.Message, error) { return m, nil })
				synctest.Wait()
				err := stop()
				if took := time.Since(began); took > test.ends {
					t.Errorf("took %v, want at most %v", took, test.ends)
				}
				if test.code == 0 && (err != nil || src.last(0) != 5) {
					t.Errorf("committed %d: %v", src.last(0), err)
				}
				if test.code != 0 && !errors.Is(err, test.code) {
					t.Errorf("error %v, want %v", err, test.code)
				}
			})
		})
	}
}
