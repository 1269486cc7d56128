package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

// keyed returns a source of one partition with a message of each key.
func keyed(keys ...string) *fakeSource {
	src := newFakeSource(len(keys))
	for i, key := range keys {
		<-src.claims[0].messages
		src.claims[0].messages <- stage.New([]byte(key), nil, stage.At(stage.Position{Topic: "t", Offset: int64(i)}))
	}
	return src
}

func TestAMessageThatFailsAfterItWasCommittedPastFreesItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyed("a", "b", "a")
		cfg := Config{Strategy: offsets.BestEffort{}, MaxConsecutive: 10, CommitInterval: time.Second}
		p, stop := start(t, src, cfg, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Offset == 0 {
				time.Sleep(10 * time.Second) // the commit passes it meanwhile
				return nil, errors.New("it fails")
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Processed != 2 || s.Passed != 1 || s.Queued != 0 {
			t.Errorf("the key stays blocked: %+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAMessageCutShortWhileParkedFreesItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyed("a", "a", "a")
		p, stop := start(t, src, Config{}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if err := stage.Park(limited, time.Minute); err != nil {
				return nil, stage.Skip
			}
			return m, nil
		})
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Skipped != 3 {
			t.Errorf("the key stays blocked: %+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAMessageCutShortWhileParkedTakesAWorkerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyed("a", "b", "c")
		var running, most atomic.Int64
		_, stop := start(t, src, Config{Workers: 1}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_ = stage.Park(limited, time.Minute)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(time.Minute)
		if most.Load() != 1 {
			t.Errorf("%d handlers ran at once with one worker", most.Load())
		}
		if err := stop(); err != nil || src.last(0) != 3 {
			t.Errorf("%v, committed %d", err, src.last(0))
		}
	})
}
