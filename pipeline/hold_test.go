package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

func TestAPausedPipelineStartsNothingMoreOfABusyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10)
		var started atomic.Int64
		p, stop := start(t, src, Config{Ordering: ByPartition}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			started.Add(1)
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(1500 * time.Millisecond)
		p.Pause()
		time.Sleep(time.Minute)
		if n := started.Load(); n != 2 {
			t.Errorf("%d messages started, of which 2 before the pause", n)
		}
		p.Resume()
		time.Sleep(time.Minute)
		if err := stop(); err != nil || src.last(0) != 10 {
			t.Errorf("%v, committed %d after the pause", err, src.last(0))
		}
	})
}

func TestAFrozenClaimStartsNothingMoreInTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(1000)
		all := src.claims[0].messages
		src.claims[0].messages = make(chan stage.Message, 1000)
		var last atomic.Int64
		cfg := Config{Workers: 1, Ordering: Unordered, FailureMode: Freeze}
		_, stop := start(t, src, cfg, func(_ context.Context, m stage.Message) (stage.Message, error) {
			last.Store(m.Position().Offset)
			if m.Position().Offset == 200 {
				return nil, errors.New("it fails")
			}
			return m, nil
		})
		for range 100 { // the engine learns that the work is quick
			src.claims[0].messages <- <-all
			synctest.Wait()
		}
		for range 900 {
			src.claims[0].messages <- <-all
		}
		time.Sleep(time.Second)
		if at := last.Load(); at != 200 {
			t.Errorf("message %d ran, the claim froze at 200", at)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFencedClaimWithoutRoomRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(100)
		src.verdict = func(source.Commit) error { return source.ErrFenced }
		_, stop := start(t, src, Config{MaxInFlight: 4, CommitBatch: 1, Ordering: ByPartition}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if spins := src.claims[0].spins; spins > 1000 {
			t.Errorf("the reader was woken %d times in vain", spins)
		}
	})
}
