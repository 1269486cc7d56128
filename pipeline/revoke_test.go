package pipeline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// working is a handler whose message takes so many seconds, by partition and offset.
func working(seconds map[int32][]int) stage.Func {
	return func(ctx context.Context, m stage.Message) (stage.Message, error) {
		at := m.Position()
		timer := time.NewTimer(time.Duration(seconds[at.Partition][at.Offset]) * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
			return m, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func TestASlowCoordinatorDoesNotCutTheDrainShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(2)
		begun := time.Now()
		src.verdict = func(source.Commit) error {
			if time.Since(begun) < 5*time.Second {
				return errors.New("the coordinator moves")
			}
			return nil
		}
		_, stop := start(t, src, Config{CommitTimeout: time.Second}, working(map[int32][]int{0: {0, 10}}))
		time.Sleep(time.Second)
		src.claims[0].revoke()
		time.Sleep(time.Minute)
		if src.last(0) != 2 || src.servedAt(0).Sub(begun) != 10*time.Second {
			t.Errorf("committed %d, given up after %v", src.last(0), src.servedAt(0).Sub(begun))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestARevokedPartitionDoesNotWaitForTheOthersOfAStoppingPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(1, 1)
		begun := time.Now()
		_, stop := start(t, src, Config{}, working(map[int32][]int{0: {3}, 1: {20}}))
		time.Sleep(time.Second)
		src.claims[0].revoke()
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := src.servedAt(0).Sub(begun); took != 3*time.Second {
			t.Errorf("the revoked partition was given up after %v", took)
		}
	})
}

func TestResumingADrainingClaimDoesNotHoldItsDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(2)
		begun := time.Now()
		p, stop := start(t, src, Config{FailureMode: Freeze, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 0 {
				return nil, errors.New("it fails")
			}
			time.Sleep(5 * time.Second)
			return m, nil
		})
		time.Sleep(time.Second)
		src.claims[0].revoke()
		time.Sleep(time.Second)
		if err := p.ResumeClaim("t", 0); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if took := src.servedAt(0).Sub(begun); took != 5*time.Second {
			t.Errorf("the partition was given up after %v", took)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
