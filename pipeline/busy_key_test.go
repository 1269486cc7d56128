package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// oneKey makes a source whose messages all have one key.
func oneKey(n int) *fakeSource {
	src := newFakeSource(0)
	src.claims[0].messages = make(chan stage.Message, n)
	src.claims[0].send(0, n, "hot")
	return src
}

func TestAPauseStopsAKeyThatIsBusy(t *testing.T) {
	for _, ordering := range []Ordering{ByKey, ByPartition} {
		synctest.Test(t, func(t *testing.T) {
			src := oneKey(1000)
			p, stop := start(t, src, Config{Ordering: ordering}, func(_ context.Context, m stage.Message) (stage.Message, error) {
				time.Sleep(time.Second)
				return m, nil
			})
			time.Sleep(9500 * time.Millisecond)
			p.Pause()
			time.Sleep(time.Minute)
			if n := p.Stats().Processed; n != 10 {
				t.Errorf("%v: %d processed while paused, want 10", ordering, n)
			}
			p.Resume()
			time.Sleep(time.Hour)
			if n := p.Stats().Processed; n != 1000 {
				t.Errorf("%v: %d processed in the end", ordering, n)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAFreezeStopsTheKeysThatAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := oneKey(1000)
		src.claims[0].messages = make(chan stage.Message, 1000)
		for i := range 1000 { // two keys, one of which fails
			src.claims[0].messages <- stage.New([]byte{byte(i % 2)}, nil, stage.At(stage.Position{Topic: "t", Offset: int64(i)}))
		}
		var ran atomic.Int64
		p, stop := start(t, src, Config{FailureMode: Freeze}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			ran.Add(1)
			time.Sleep(time.Second)
			if m.Position().Offset == 21 {
				return nil, errBoom
			}
			return m, nil
		})
		time.Sleep(time.Hour)
		if n := ran.Load(); n > 23 {
			t.Errorf("%d began, the partition is frozen after about 22", n)
		}
		if err := p.Health(); !errors.Is(err, ErrFrozen) {
			t.Errorf("health %v", err)
		}
		_ = stop()
	})
}
