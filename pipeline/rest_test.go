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

// TestAPermitThatRestsIsNoLoss has a partition whose reader has just run dry, or is about to. Another one must
// get its permit: at once if it has none, soon if it has.
func TestAPermitThatRestsIsNoLoss(t *testing.T) {
	const running = 100 * time.Microsecond
	for name, c := range map[string]struct {
		workers  int
		trickled time.Duration
		busy     bool
		within   time.Duration
	}{
		"the only one":             {1, 0, false, 0},
		"another one":              {2, 0, false, 2 * lookEvery},
		"during a nap":             {2, 2 * time.Second, false, 2 * lookEvery},
		"when its message is done": {2, 2 * time.Second, true, running + 2*lookEvery},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newRoomySource(2)
				var last atomic.Int64
				p, stop := start(t, src, Config{Workers: c.workers, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
					switch {
					case m.Position().Partition == 1:
						last.Store(time.Now().UnixMicro())
						time.Sleep(time.Second)
					case m.Key() != nil:
						time.Sleep(running)
					}
					return m, nil
				})
				next := src.claims[0].trickle(src.claims[0].warm(""), int(c.trickled/time.Millisecond))
				src.claims[0].send(next, 1, "") // a rest that is not over yet
				synctest.Wait()
				if n := len(p.running().pool.resting); n != 1 {
					t.Fatalf("%d rest", n)
				}
				if c.busy {
					src.claims[0].send(next+1, 1, "busy")
					synctest.Wait()
				}
				sent := time.Now()
				src.claims[1].send(0, c.workers, "")
				time.Sleep(time.Second / 2)
				if waited := last.Load() - sent.UnixMicro(); waited < 0 || waited > c.within.Microseconds() {
					t.Errorf("the last one waited for %d µs, want at most %v", waited, c.within)
				}
				noPermitIsGone(t, p)
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A partition with slow messages wants every worker, and the quick one of the other has just run dry.
func TestQuickWorkKeepsAPermitWhileItsSourceFetches(t *testing.T) {
	const workers = 2 * restingShare
	for name, feed := range map[string]func(*Pipeline, *fakeClaim) (next int){
		"of a reader": func(_ *Pipeline, c *fakeClaim) int { return c.warm("") },
		"of a worker": func(p *Pipeline, c *fakeClaim) (next int) { // which has just shown that the work is quick
			synctest.Wait()
			for quick := &p.claimOf("t", 0).inline.quick; !quick.Load(); next++ {
				c.send(next, 1, "k")
				synctest.Wait()
			}
			return next
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newRoomySource(2)
				var slow atomic.Int64
				var at atomic.Pointer[time.Time] // when the quick partition's last message ran
				p, stop := start(t, src, Config{Workers: workers}, func(_ context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Partition == 1 {
						slow.Add(1)
						time.Sleep(time.Second)
						slow.Add(-1)
					} else {
						at.Store(new(time.Now()))
					}
					return m, nil
				})
				next := feed(p, src.claims[0])
				synctest.Wait()
				src.claims[1].send(0, 2*workers, "")
				time.Sleep(restMost / 2)
				src.claims[0].send(next, 1, "")
				sent := time.Now()
				time.Sleep(restMost / 4)
				if waited := at.Load().Sub(sent); waited != 0 {
					t.Errorf("the quick message waited; it ran %v after it came", waited)
				}
				if n := slow.Load(); n != workers-1 {
					t.Errorf("%d slow messages run", n)
				}
				time.Sleep(2 * restMost)
				if n := slow.Load(); n != workers {
					t.Errorf("%d slow messages run once the permit has rested for long", n)
				}
				noPermitIsGone(t, p)
				if err := stop(); err != nil || src.last(0) != int64(next+1) || src.last(1) != 2*workers {
					t.Errorf("%v, committed %d and %d", err, src.last(0), src.last(1))
				}
			})
		})
	}
}

func TestAWindowThatOnlyACommitFillsHardlyPauses(t *testing.T) {
	for _, c := range []struct {
		commit   time.Duration
		window   int
		min, max int // pauses: one comes when workers fall behind, which is up to the scheduler
	}{{5 * time.Millisecond, 100, 0, 5}, {5 * time.Millisecond, 300, 0, 5}, {time.Second, 100, 100, 10_000}} {
		synctest.Test(t, func(t *testing.T) {
			src := newRoomySource(1)
			src.verdict = func(source.Commit) error {
				time.Sleep(c.commit)
				return nil
			}
			src.claims[0].obeys = true
			_, stop := start(t, src, Config{MaxInFlight: c.window}, ok)
			at := src.claims[0].warm("k")
			src.claims[0].send(at, 10_000-at, "k")
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := pauses(src.claims[0]); n < c.min || n > c.max {
				t.Errorf("%d pauses with a window of %d while a commit takes %v, want %d to %d", n, c.window, c.commit, c.min, c.max)
			}
			if err := stop(); err != nil || src.last(0) != 10_000 {
				t.Errorf("committed %d: %v", src.last(0), err)
			}
		})
	}
}
