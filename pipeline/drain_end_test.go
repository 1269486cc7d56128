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

// A user who paused wants nothing to start, not even what waits in front of something done.
func TestTheDrainOfAPausedClaimStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyedSource("a", "a", "b")
		var ran atomic.Int64
		p, stop := start(t, src, Config{Workers: 10}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			ran.Add(1)
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		p.Pause()
		if err := stop(); err != nil || ran.Load() != 2 || src.last(0) != 1 {
			t.Errorf("Run: %v; %d ran and the commit is %d, want the 2 in flight and 1", err, ran.Load(), src.last(0))
		}
	})
}

// A pause in the midst of a drain doesn't hold what the drain waits for.
func TestAPauseDoesNotHoldADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyedSource("a", "a", "b")
		p, stop := start(t, src, Config{Workers: 10}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(time.Second)
			return m, nil
		})
		began := time.Now()
		time.Sleep(500 * time.Millisecond)
		src.claims[0].revoke()
		time.Sleep(100 * time.Millisecond)
		p.Pause()
		time.Sleep(time.Minute)
		if took := src.servedAt(0).Sub(began); took != 2*time.Second || src.last(0) != 3 {
			t.Errorf("committed %d after %v, want 3 after 2s", src.last(0), took)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Behind a message that failed before the drain nothing can be committed, so nothing of it is started.
func TestADrainStartsNothingBehindAFailedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyedSource("x", "a", "a", "b")
		var ran atomic.Int64
		_, stop := start(t, src, Config{Workers: 10, MaxConsecutive: 10}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			ran.Add(1)
			if m.Position().Offset == 0 {
				return nil, errors.New("no")
			}
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		if err := stop(); err != nil || ran.Load() != 3 || src.last(0) != 0 {
			t.Errorf("Run: %v; %d ran and the commit is %d; want 3 and none", err, ran.Load(), src.last(0))
		}
	})
}

// Contexts end at the deadline with the reason, whatever the broker does, and what comes later is late.
func TestTheDeadlineOfADrainEndsTheContexts(t *testing.T) {
	for code, shut := range map[ErrorCode]bool{PartitionRevoked: false, DrainTimeout: true} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newFakeSource(2)
				src.verdict = func(source.Commit) error { return errors.New("not now") }
				ends := make(chan error, 1)
				p, stop := start(t, src, Config{Workers: 2, Ordering: Unordered, DrainTimeout: 10 * time.Second}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Offset == 1 {
						<-ctx.Done()
						ends <- context.Cause(ctx)
						time.Sleep(time.Minute)
					}
					return m, nil
				})
				time.Sleep(time.Second)
				told := time.Now()
				if src.claims[0].revoke(); shut {
					go func() { _ = stop() }()
				}
				if why := <-ends; time.Since(told) != 10*time.Second || !errors.Is(why, code) {
					t.Errorf("ended %v after it was told, with %v", time.Since(told), why)
				}
				time.Sleep(2 * time.Minute)
				if s := p.Stats(); s.Late != 1 || s.Processed != 1 {
					t.Errorf("the late result: %+v", s)
				}
				if !shut {
					_ = stop()
				}
			})
		})
	}
}

// Somebody may wait for the end of a message's context longer than the message takes.
func TestAContextEndsWithItsTenure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(1)
		contexts := make(chan context.Context, 1)
		_, stop := start(t, src, Config{}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			contexts <- ctx
			return m, nil
		})
		kept := <-contexts
		time.Sleep(time.Second)
		if kept.Err() != nil {
			t.Errorf("it ended before: %v", context.Cause(kept))
		}
		src.claims[0].revoke()
		time.Sleep(time.Second)
		if !errors.Is(context.Cause(kept), PartitionRevoked) {
			t.Errorf("its cause is %v", context.Cause(kept))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Another owner has what the last commit is about: that is no failure of this Run.
func TestALastCommitThatIsFencedIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(5)
		src.verdict = func(source.Commit) error { return fmt.Errorf("wrapped: %w", source.ErrFenced) }
		_, stop := start(t, src, Config{CommitInterval: time.Hour}, ok)
		time.Sleep(time.Second)
		if err := stop(); err != nil || src.last(0) != 0 {
			t.Errorf("Run: %v; committed %d", err, src.last(0))
		}
	})
}
