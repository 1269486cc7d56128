package pipeline

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// A message that takes long comes alone, when all before were quick for a time.
func TestAReaderThatGetsStuckDuringANapIsFoundAtItsEnd(t *testing.T) {
	for name, c := range map[string]struct{ quickFor, agoWasAnother, within time.Duration }{
		"at first":              {0, 0, 3 * lookEvery},
		"after a while":         {napShare * time.Millisecond, 0, 2*time.Millisecond + 3*lookEvery},
		"after long":            {time.Minute, 0, longestNap + 3*lookEvery},
		"soon after another is": {time.Minute, 50 * time.Millisecond, time.Millisecond + 3*lookEvery},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newRoomySource(1)
				var last atomic.Int64
				_, stop := start(t, src, Config{Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
					last.Store(time.Now().UnixMicro())
					if m.Key() != nil {
						time.Sleep(time.Second)
					}
					return m, nil
				})
				claim := src.claims[0]
				next := claim.trickle(claim.warm(""), int(c.quickFor/time.Millisecond))
				if c.agoWasAnother > 0 {
					claim.send(next, 1, "slow")
					next = claim.trickle(next+1, int(c.agoWasAnother/time.Millisecond))
				}
				claim.send(next, 1, "slow")
				synctest.Wait()
				sent := time.Now()
				claim.send(next+1, 1, "")
				time.Sleep(2 * time.Second)
				if waited := last.Load() - sent.UnixMicro(); waited <= 0 || waited > c.within.Microseconds() {
					t.Errorf("the next one waited for %d µs, want at most %v", waited, c.within)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestMessagesThatTrickleDoNotRouseTheMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		p, stop := start(t, src, Config{Ordering: Unordered}, ok)
		claim := src.claims[0]
		at := claim.warm("")
		roused := 0
		for i := range 3000 {
			synctest.Wait()
			if i > 2000 && p.running().monitor.state.Load() != napping {
				roused++
			}
			claim.send(at+i, 1, "")
			time.Sleep(time.Millisecond)
		}
		if roused > 0 {
			t.Errorf("it was awake or dormant %d times", roused)
		}
		time.Sleep(time.Second)
		if state := p.running().monitor.state.Load(); state != dormant {
			t.Errorf("it doesn't sleep: %d", state)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
