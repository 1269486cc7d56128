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

// keyedSource delivers messages with these keys; "" is none.
func keyedSource(keys ...string) *fakeSource {
	src := newFakeSource(len(keys))
	for _, key := range keys {
		m := <-src.claims[0].messages
		if key != "" {
			m = stage.WithKey(m, []byte(key))
		}
		src.claims[0].messages <- m
	}
	return src
}

func TestADrainRunsWhatWasOvertakenSoThatNothingRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyedSource("a", "a", "a", "b", "a", "a")
		var ran atomic.Int64
		_, stop := start(t, src, Config{Workers: 10}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			ran.Add(1)
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if ran.Load() != 4 || src.last(0) != 4 {
			t.Errorf("%d ran and the commit is %d; want the 4 up to the last one in flight", ran.Load(), src.last(0))
		}
	})
}

func TestADrainStartsNothingBehindWhatCannotBeCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyedSource("a", "a", "a", "b")
		var ran atomic.Int64
		_, stop := start(t, src, Config{Workers: 10}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			ran.Add(1)
			time.Sleep(time.Second)
			if m.Position().Offset == 1 {
				return nil, errors.New("no")
			}
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		src.claims[0].revoke()
		time.Sleep(10 * time.Second)
		if ran.Load() != 3 || src.last(0) != 1 {
			t.Errorf("%d ran and the commit is %d; want 3 and 1", ran.Load(), src.last(0))
		}
		_ = stop()
	})
}

func TestADrainStartsNothingInItsSecondHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyedSource("a", "a", "a", "a", "b")
		var ran atomic.Int64
		_, stop := start(t, src, Config{Workers: 10, DrainTimeout: 5 * time.Second}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			ran.Add(1)
			time.Sleep(2 * time.Second)
			return m, nil
		})
		time.Sleep(time.Second)
		began := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		// The first a and b run already, the second a begins a second into the drain, and for the third it is too late.
		if took := time.Since(began); ran.Load() != 3 || src.last(0) != 2 || took != 3*time.Second {
			t.Errorf("%d ran, the commit is %d after %v; want 3, 2, 3s", ran.Load(), src.last(0), took)
		}
	})
}

func TestWhatAnOvertakenReaderHeldIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, messages = 100, 1_000
		src := newFakeSource(messages)
		began := time.Now()
		var n atomic.Int64
		_, stop := start(t, src, Config{Workers: 10, MaxInFlight: window, CommitInterval: time.Hour}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if n.Add(1)%window == 0 {
				time.Sleep(time.Second) // more fetched messages than the window takes come meanwhile
			}
			return m, nil
		})
		for n.Load() < messages && time.Since(began) < time.Minute {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); n.Load() < messages || took > 2*messages/window*time.Second {
			t.Errorf("%d of %d messages are done after %v", n.Load(), messages, took)
		}
		if err := stop(); err != nil || src.last(0) != messages {
			t.Errorf("%v, committed %d", err, src.last(0))
		}
	})
}
