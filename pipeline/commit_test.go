package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

func TestACommitNeverGoesBackWhenAnAnswerWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(3)
		var mu sync.Mutex
		var sent []int64
		src.verdict = func(c source.Commit) error {
			mu.Lock()
			defer mu.Unlock()
			if sent = append(sent, c.Next); len(sent) == 1 {
				return errors.New("the answer was lost")
			}
			return nil
		}
		cfg := Config{Strategy: offsets.SkipFailures{}, FailureMode: Freeze, Ordering: Unordered, CommitInterval: time.Second}
		failed := false
		p, stop := start(t, src, cfg, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 1 && !failed {
				failed = true
				return nil, errors.New("it fails")
			}
			if m.Position().Offset == 1 {
				time.Sleep(10 * time.Second)
			}
			return m, nil
		})
		time.Sleep(time.Second + 10*time.Millisecond)
		if err := p.ResumeClaim("t", 0); err != nil { // before the commit is tried again
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if mu.Lock(); !slices.IsSorted(sent) || src.last(0) != 3 {
			t.Errorf("the commits were %v", sent)
		}
	})
}
