package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// refuse makes the broker refuse every commit, and returns how many it did.
func (s *fakeSource) refuse() *atomic.Int64 {
	var n atomic.Int64
	s.verdict = func(source.Commit) error {
		n.Add(1)
		return errors.New("not now")
	}
	return &n
}

// trickle delivers n messages, one a millisecond, the first with the given offset, and returns the offset after the last.
func (c *fakeClaim) trickle(from, n int) (next int) {
	for next = from; next < from+n; next++ {
		c.send(next, 1, "")
		time.Sleep(time.Millisecond)
	}
	return next
}

// A full batch asks for a commit at once, but not while the broker has just refused one.
func TestBatchesDoNotHurryACommitThatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(0)
		tries := src.refuse()
		_, stop := start(t, src, Config{CommitInterval: time.Hour, CommitBatch: 1, DrainTimeout: time.Second}, ok)
		src.claims[0].trickle(0, 2000)
		if n := tries.Load(); n < 5 || n > 7 { // after 0, 50, 150, 350, 750 and 1550 ms
			t.Errorf("tried %d times within 2 s", n)
		}
		_ = stop() // the last commit is refused too
	})
}

// Each message asks for a commit, a thousand a second; only a window without room gets them so often.
func TestCommitsKeepAPaceUnlessAWindowNeedsRoom(t *testing.T) {
	const n = 1000
	for _, c := range []struct{ window, least, most int }{{100, n / 10, n/10 + 2}, {1, n / 2, n + 1}} {
		synctest.Test(t, func(t *testing.T) {
			src := newFakeSource(0)
			p, stop := start(t, src, Config{CommitInterval: time.Hour, CommitBatch: 1, MaxInFlight: c.window}, ok)
			src.claims[0].trickle(0, n)
			time.Sleep(2 * commitPace)
			if got := p.Stats().Partitions[0]; got.Committed != n-1 || got.Commits < int64(c.least) || got.Commits > int64(c.most) {
				t.Errorf("with a window of %d: %d commits to %d, want %d to %d of them", c.window, got.Commits, got.Committed, c.least, c.most)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACommitWithoutAnAnswerEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		var took atomic.Int64
		src.answer = func(ctx context.Context) error {
			if took.Load() > 0 {
				return nil
			}
			began := time.Now()
			<-ctx.Done()
			took.Store(int64(time.Since(began)))
			return ctx.Err()
		}
		p, stop := start(t, src, Config{CommitInterval: time.Second, CommitTimeout: 3 * time.Second}, ok)
		time.Sleep(time.Minute)
		if took := time.Duration(took.Load()); took != 3*time.Second || src.last(0) != 10 || p.Stats().CommitFailures != 1 {
			t.Errorf("after %v: committed %d, %d failures", took, src.last(0), p.Stats().CommitFailures)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// The last commit of a drain is tried again until the deadline, less and less often.
func TestTheLastCommitIsTriedAgainWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		tries := src.refuse()
		_, stop := start(t, src, Config{CommitInterval: time.Hour, DrainTimeout: 10 * time.Second}, ok)
		time.Sleep(time.Second)
		if err := stop(); err == nil {
			t.Error("nothing said that the last commit was refused")
		}
		if n := tries.Load(); n < 5 || n > 20 {
			t.Errorf("tried %d times within 10 s", n)
		}
	})
}

// What a strategy has committed past keeps its place in the window until it is done. Then there is
// room, and nothing new to commit.
func TestWhatWasCommittedPastMakesRoomWhenItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 4
		src := newFakeSource(10)
		gate := make(chan struct{})
		cfg := Config{Workers: window, MaxInFlight: window, Ordering: Unordered, Strategy: offsets.BestEffort{}, CommitInterval: time.Hour}
		p, stop := start(t, src, cfg, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset < window-1 {
				<-gate
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if src.last(0) != window || p.Stats().Processed != 1 {
			t.Errorf("committed %d, processed %d", src.last(0), p.Stats().Processed)
		}
		close(gate)
		time.Sleep(time.Minute)
		if n := p.Stats().Processed; n != 10 {
			t.Errorf("processed %d of 10", n)
		}
		if err := stop(); err != nil || src.last(0) != 10 {
			t.Errorf("committed %d: %v", src.last(0), err)
		}
	})
}

func TestNothingWaitsForItsCommitLongerThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		_, stop := start(t, src, Config{CommitInterval: time.Second}, ok)
		for n := range 500 { // at all times between two commits
			src.claims[0].send(n, 1, "")
			time.Sleep(time.Second - time.Microsecond)
			if last := src.last(0); last != int64(n+1) {
				t.Fatalf("committed %d at the end of the interval in which message %d was resolved", last, n)
			}
			time.Sleep(time.Duration(n%97) * time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
