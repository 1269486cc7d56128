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

// A fenced claim may stay assigned for long: a source hears of its loss later than the
// committer does. The broker would refuse whatever is done until then, so these tests look at what
// the engine does by itself.

// fencing refuses all commits, and tells when it did so first and how often.
type fencing struct {
	at    atomic.Pointer[time.Time]
	asked atomic.Int64
}

func (f *fencing) verdict(source.Commit) error {
	f.asked.Add(1)
	now := time.Now()
	f.at.CompareAndSwap(nil, &now)
	return fmt.Errorf("wrapped: %w", source.ErrFenced)
}

func TestAFencedClaimEndsItsContextsAtOnceAndStartsNothingMore(t *testing.T) {
	for ordering, most := range map[Ordering]int64{Unordered: 5, ByPartition: 2} { // one that ends before, and those in flight
		t.Run(ordering.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, fence := newFakeSource(100), &fencing{}
				src.verdict = fence.verdict
				var started, cut, late atomic.Int64
				p, stop := start(t, src, Config{Workers: 4, MaxInFlight: 40, Ordering: ordering, CommitInterval: 2 * time.Second}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
					started.Add(1)
					if m.Position().Offset == 0 {
						time.Sleep(time.Second)
						return m, nil
					}
					<-ctx.Done()
					if err := context.Cause(ctx); !errors.Is(err, PartitionRevoked) || !errors.Is(err, source.ErrFenced) {
						t.Errorf("its context ended with %v", err)
					}
					cut.Add(1)
					if time.Since(*fence.at.Load()) > 0 {
						late.Add(1)
					}
					return nil, ctx.Err()
				})
				time.Sleep(tickOf(2*time.Second) - time.Nanosecond)
				if s := p.Stats().Partitions[0]; s.InFlight == 0 || s.Queued == 0 || s.Held == 0 {
					t.Errorf("there is nothing to end: %+v", s)
				}
				time.Sleep(2 * time.Nanosecond)
				if s := p.Stats().Partitions[0]; s.CommitFailures != 1 || s.InFlight != 0 || s.Held != 0 || s.Failed != 0 {
					t.Errorf("it goes on: %+v", s)
				}
				time.Sleep(time.Minute)
				if started.Load() != most || cut.Load() != most-1 || late.Load() > 0 {
					t.Errorf("%d messages started; %d contexts ended, %d of them later than the fence", started.Load(), cut.Load(), late.Load())
				}
				if err := stop(); err != nil || fence.asked.Load() != 1 {
					t.Errorf("Run: %v; %d commits asked for", err, fence.asked.Load())
				}
			})
		})
	}
}

// What doesn't look at its context ends when it does, and counts for nothing. What comes is dropped.
func TestWhatEndsBehindAFenceIsNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, fence := newFakeSource(100), &fencing{}
		src.verdict = fence.verdict
		var ended atomic.Int64
		src.claims[0].messages = make(chan stage.Message)
		p, stop := start(t, src, Config{Workers: 4, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset > 0 {
				time.Sleep(time.Minute)
			}
			ended.Add(1)
			return m, nil
		})
		src.claims[0].send(0, 100, "")
		time.Sleep(30 * time.Second)
		before := ended.Load()
		src.claims[0].send(100, 100, "") // the source still knows nothing
		time.Sleep(time.Hour)
		if before != 1 || ended.Load() != before+4 {
			t.Errorf("%d messages ended before the fence and %d in all, want 1 and the 4 in flight besides", before, ended.Load())
		}
		if s := p.Stats().Partitions[0]; s.Received != 100 {
			t.Errorf("%d messages received, 100 of them before the fence", s.Received)
		}
		if err := stop(); err != nil || fence.asked.Load() != 1 || src.last(0) != 0 {
			t.Errorf("Run: %v; %d commits asked for, committed %d", err, fence.asked.Load(), src.last(0))
		}
	})
}

// A fence in the midst of a drain ends it, also if what is in flight ignores its context. The
// deadline is far.
func TestAFenceEndsTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, fence := newFakeSource(10), &fencing{}
		src.verdict = fence.verdict
		_, stop := start(t, src, Config{Workers: 4, Ordering: Unordered, CommitInterval: time.Hour}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset > 0 {
				time.Sleep(20 * time.Second)
			}
			return m, nil
		})
		time.Sleep(time.Second)
		began := time.Now()
		src.claims[0].revoke() // its first commit finds out
		time.Sleep(time.Minute)
		if took := src.servedAt(0).Sub(began); took != 0 {
			t.Errorf("given up after %v", took)
		}
		if err := stop(); err != nil || fence.asked.Load() != 1 {
			t.Errorf("Run: %v; %d commits asked for", err, fence.asked.Load())
		}
	})
}
