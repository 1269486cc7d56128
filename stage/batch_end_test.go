package stage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

func TestADrainFlushesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		one, two, start := newHost(), newHost(), time.Now()
		s, all := stage.Batch(9, time.Hour, c.ok), new(sent)
		all.send(one.in(t.Context()), s, 1, 2)
		all.send(two.in(t.Context()), s, 3)
		time.Sleep(time.Second)
		close(two.draining) // of the partition whose record isn't the first
		synctest.Wait()
		if c.String() != "[[1 2 3]]" {
			t.Errorf("batches %v", c.batches)
		}
		all.send(two.in(t.Context()), s, 4) // one that was in work when the drain began
		all.send(one.in(t.Context()), s, 5)
		close(one.draining)
		for n, err := range all.wait() {
			if err != nil {
				t.Errorf("%d: %v", n, err)
			}
		}
		if c.String() != "[[1 2 3] [4] [5]]" || time.Since(start) != time.Second {
			t.Errorf("batches %v after %v", c.batches, time.Since(start))
		}
	})
}

func TestARecordWhoseContextEndsLeavesTheBatch(t *testing.T) {
	for name, leaving := range map[string]int{"the first, which minds the time": 1, "another": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c calls
				ctx, cancel := context.WithCancel(t.Context())
				s, all, start := stage.Batch(3, time.Second, c.ok), new(sent), time.Now()
				for _, n := range []int{1, 2} {
					if n == leaving {
						all.send(ctx, s, n)
					} else {
						all.send(t.Context(), s, n)
					}
				}
				time.Sleep(500 * ms)
				cancel()
				errs := all.wait()
				if !errors.Is(errs[leaving], context.Canceled) || errs[3-leaving] != nil {
					t.Errorf("got %v", errs)
				}
				if want := fmt.Sprintf("[[%d]]", 3-leaving); c.String() != want || time.Since(start) != time.Second {
					t.Errorf("batches %v after %v", c.batches, time.Since(start))
				}
			})
		})
	}
}

func TestABatchThatEverybodyLeftIsNotCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		h := newHost()
		ctx, cancel := context.WithCancel(h.in(t.Context()))
		s, all := stage.Batch(3, time.Second, c.ok), new(sent)
		all.send(ctx, s, 1, 2)
		cancel()
		all.wait()
		all.send(ctx, s, 3).wait() // its context has ended before it came
		time.Sleep(time.Minute)
		close(h.draining)
		if len(c.batches) != 0 {
			t.Errorf("batches %v", c.batches)
		}
	})
}

func TestARecordInWorkWaitsForTheFunctionWhateverItsContextDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var during error
		s := stage.Batch(2, time.Second, func(ctx context.Context, batch []int) []error {
			time.Sleep(time.Minute)
			during = ctx.Err()
			return make([]error, len(batch))
		})
		for ending := range 2 {
			ctxs, cancels := [2]context.Context{}, [2]context.CancelFunc{}
			for i := range ctxs {
				ctxs[i], cancels[i] = context.WithCancel(t.Context()) //nolint:fatcontext // one beside the other
				defer cancels[i]()
			}
			all, start := new(sent), time.Now()
			time.AfterFunc(time.Second, cancels[ending])
			all.send(ctxs[0], s, 0).send(ctxs[1], s, 1)
			errs := all.wait()
			if took := time.Since(start); errs[0] != nil || errs[1] != nil || took != time.Minute || during != nil {
				t.Errorf("%v after %v, the function's context: %v", errs, took, during)
			}
		}
	})
}

func TestTheFunctionsContextEndsWithTheLastOfItsRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Duration
		start := time.Now()
		s := stage.Batch(3, time.Hour, func(ctx context.Context, batch []int) []error {
			<-ctx.Done()
			ended = time.Since(start)
			return slices.Repeat([]error{ctx.Err()}, len(batch))
		})
		all := new(sent)
		for n := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n+1)*time.Second)
			defer cancel()
			all.send(ctx, s, n)
		}
		if errs := all.wait(); ended != 3*time.Second || !errors.Is(errs[0], context.Canceled) {
			t.Errorf("ended after %v, %v", ended, errs)
		}
	})
}
