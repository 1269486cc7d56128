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

// Whatever the interval, what was refused is tried again soon, and then less often. After a success it begins anew.
func TestARefusedCommitIsTriedAgainWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(0)
		var asked []time.Duration // guarded by the source's mutex
		var began time.Time
		src.verdict = func(source.Commit) error {
			if asked = append(asked, time.Since(began)); len(asked)%4 != 0 {
				return errors.New("not now")
			}
			return nil
		}
		p, stop := start(t, src, Config{CommitInterval: time.Hour, CommitBatch: 1}, ok)
		for offset := range 2 {
			src.mu.Lock()
			asked, began = nil, time.Now()
			src.mu.Unlock()
			src.claims[0].send(offset, 1, "")
			time.Sleep(time.Minute)
			src.mu.Lock()
			if want := []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, 350 * time.Millisecond}; !slices.Equal(asked, want) {
				t.Errorf("message %d: asked after %v, want %v", offset, asked, want)
			}
			src.mu.Unlock()
		}
		if s := p.Stats(); s.Commits != 2 || s.CommitFailures != 6 {
			t.Errorf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
