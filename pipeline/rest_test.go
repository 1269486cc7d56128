package pipeline

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// TestAPermitThatRestsIsNoLoss has a partition whose reader has just run dry. Another one must
// get its permit: at once if it has none, soon if it has.
func TestAPermitThatRestsIsNoLoss(t *testing.T) {
	for _, c := range []struct {
		workers int
		within  time.Duration
	}{{1, 0}, {2, 2 * lookEvery}} {
		synctest.Test(t, func(t *testing.T) {
			src := newRoomySource(2)
			var last atomic.Int64
			p, stop := start(t, src, Config{Workers: c.workers, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
				if m.Position().Partition == 1 {
					last.Store(time.Now().UnixMicro())
					time.Sleep(time.Second)
				}
				return m, nil
			})
			src.claims[0].send(src.claims[0].warm(""), 1, "")
			synctest.Wait()
			if n := len(p.running().pool.resting); n != 1 {
				t.Fatalf("%d rest", n)
			}
			sent := time.Now()
			src.claims[1].send(0, c.workers, "")
			time.Sleep(time.Second / 2)
			if waited := last.Load() - sent.UnixMicro(); waited < 0 || waited > c.within.Microseconds() {
				t.Errorf("with %d workers the last one waited for %d µs", c.workers, waited)
			}
			noPermitIsGone(t, p)
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAWindowThatOnlyACommitFillsPausesNothing(t *testing.T) {
	for _, c := range []struct {
		commit time.Duration
		pauses bool
	}{{5 * time.Millisecond, false}, {time.Second, true}} {
		synctest.Test(t, func(t *testing.T) {
			src := newRoomySource(1)
			src.verdict = func(source.Commit) error {
				time.Sleep(c.commit)
				return nil
			}
			_, stop := start(t, src, Config{MaxInFlight: 100}, ok)
			at := src.claims[0].warm("k")
			src.claims[0].send(at, 10_000-at, "k")
			time.Sleep(time.Hour)
			if pauses := src.claims[0].pauses; (pauses > 0) != c.pauses {
				t.Errorf("%d pauses while a commit takes %v", pauses, c.commit)
			}
			if err := stop(); err != nil || src.last(0) != 10_000 {
				t.Errorf("committed %d: %v", src.last(0), err)
			}
		})
	}
}
