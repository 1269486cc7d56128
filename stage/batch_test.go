package stage_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/vlab-research/burrow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// calls records the batches that a function got.
type calls struct {
	mu      sync.Mutex
	batches [][]int
	at      []time.Time
}

func (c *calls) note(batch []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches = append(c.batches, slices.Sorted(slices.Values(batch)))
	c.at = append(c.at, time.Now())
}

func (c *calls) ok(_ context.Context, batch []int) []error {
	c.note(batch)
	return make([]error, len(batch))
}

func (c *calls) String() string { return fmt.Sprint(c.batches) }

// sent processes numbers at once, each on a goroutine, in order of their arrival.
type sent struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs map[int]error
}

func (s *sent) send(ctx context.Context, to stage.Stage, numbers ...int) *sent {
	for _, n := range numbers {
		s.wg.Go(func() {
			_, err := to.Process(ctx, stage.New(nil, []byte(strconv.Itoa(n)), stage.Carrying(n)))
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.errs == nil {
				s.errs = map[int]error{}
			}
			s.errs[n] = err
		})
		synctest.Wait()
	}
	return s
}

func (s *sent) wait() map[int]error {
	s.wg.Wait()
	return s.errs
}

func TestABatchIsCalledWhenItIsFullOrItsTimeIsOver(t *testing.T) {
	for name, test := range map[string]struct {
		opts    []stage.BatchOption
		numbers []int
		want    string
		takes   time.Duration
	}{
		"full":                  {nil, []int{1, 2, 3}, "[[1 2 3]]", 0},
		"twice":                 {nil, []int{1, 2, 3, 4, 5, 6}, "[[1 2 3] [4 5 6]]", 0},
		"time is over":          {nil, []int{1, 2}, "[[1 2]]", time.Second},
		"full, and a rest":      {nil, []int{1, 2, 3, 4}, "[[1 2 3] [4]]", time.Second},
		"bytes, exactly":        {[]stage.BatchOption{stage.BatchBytes(4)}, []int{11, 22, 33, 44}, "[[11 22] [33 44]]", 0},
		"bytes, would exceed":   {[]stage.BatchOption{stage.BatchBytes(3)}, []int{11, 22}, "[[11] [22]]", time.Second},
		"bytes, one too large":  {[]stage.BatchOption{stage.BatchBytes(3)}, []int{1, 55555, 2}, "[[55555] [1] [2]]", time.Second},
		"bytes, never exceeded": {[]stage.BatchOption{stage.BatchBytes(100)}, []int{1, 2, 3}, "[[1 2 3]]", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c calls
				start := time.Now()
				s := stage.Batch(3, time.Second, c.ok, test.opts...)
				for n, err := range new(sent).send(newHost().in(t.Context()), s, test.numbers...).wait() {
					if err != nil {
						t.Errorf("%d: %v", n, err)
					}
				}
				got := c.String()
				if name == "bytes, one too large" && got == "[[1] [55555] [2]]" {
					got = test.want // both run at once
				}
				if got != test.want || time.Since(start) != test.takes {
					t.Errorf("batches %v after %v, want %v after %v", got, time.Since(start), test.want, test.takes)
				}
			})
		})
	}
}

func TestTheTimeCountsFromTheFirstRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		s, all, start := stage.Batch(9, time.Second, c.ok), new(sent), time.Now()
		all.send(t.Context(), s, 1)
		time.Sleep(900 * ms)
		all.send(t.Context(), s, 2)
		all.wait()
		if c.String() != "[[1 2]]" || c.at[0].Sub(start) != time.Second {
			t.Errorf("%v after %v", c.batches, c.at[0].Sub(start))
		}
	})
}

func TestEachRecordGetsItsOwnResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage.Batch(4, time.Second, func(_ context.Context, batch []int) []error {
			errs := make([]error, len(batch))
			for i, n := range batch {
				switch n {
				case 2:
					errs[i] = fmt.Errorf("record %d: %w", n, errBoom)
				case 3:
					errs[i] = stage.Skip
				}
			}
			return errs
		})
		errs := new(sent).send(t.Context(), s, 1, 2, 3, 4).wait()
		if errs[1] != nil || errs[4] != nil || !errors.Is(errs[3], stage.Skip) || errs[2] == nil || errs[2].Error() != "record 2: boom" {
			t.Errorf("got %v", errs)
		}
	})
}

func TestWhatBreaksTheFunctionFailsEveryRecord(t *testing.T) {
	for name, test := range map[string]struct {
		f  func(context.Context, []int) []error
		is func(error) bool
	}{
		"too few":  {func(context.Context, []int) []error { return make([]error, 1) }, says("returned 1 results for 3 records")},
		"nil":      {func(context.Context, []int) []error { return nil }, says("returned 0 results for 3 records")},
		"too many": {func(context.Context, []int) []error { return make([]error, 4) }, says("returned 4 results for 3 records")},
		"panic": {func(context.Context, []int) []error { panic(errBoom) }, func(err error) bool {
			p, ok := errors.AsType[*stage.PanicError](err)
			return ok && errors.Is(err, errBoom) && strings.Contains(string(p.Stack), "batch_test.go")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				errs := new(sent).send(t.Context(), stage.Batch(3, time.Second, test.f), 1, 2, 3).wait()
				for n := range 3 {
					if !test.is(errs[n+1]) {
						t.Errorf("%d: %v", n+1, errs[n+1])
					}
				}
			})
		})
	}
}

func says(text string) func(error) bool {
	return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
}

func TestAFunctionThatEndsItsGoroutineLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage.Batch(3, time.Second, func(context.Context, []int) []error { runtime.Goexit(); return nil })
		errs := new(sent).send(t.Context(), s, 1, 2, 3).wait()
		if len(errs) != 2 || !errors.Is(errs[1], stage.ErrExited) || !errors.Is(errs[2], stage.ErrExited) {
			t.Errorf("got %v", errs) // the third's goroutine is gone
		}
	})
}

func TestWaitingRecordsAreParkedUntilTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		h := newHost()
		new(sent).send(h.in(t.Context()), stage.Batch(3, time.Second, c.ok), 1, 2, 3).wait()
		if len(h.parkings) != 2 {
			t.Fatalf("%d parked", len(h.parkings))
		}
		for i, p := range h.parkings {
			if p.Reason != "batch" || !p.Lingers || p.Wake == nil || p.Attempt != 0 || (p.For > 0) != (i == 0) {
				t.Errorf("parked as %+v", p)
			}
		}
	})
}

func TestManyRecordsAtOnceAreEachCalledOnce(t *testing.T) {
	t.Parallel()
	var seen [4000]atomic.Int32
	s := stage.Batch(32, ms, func(_ context.Context, batch []int) []error {
		if len(batch) > 32 {
			t.Errorf("a batch of %d", len(batch))
		}
		for _, n := range batch {
			seen[n].Add(1)
		}
		return make([]error, len(batch))
	})
	h := newHost()
	var wg sync.WaitGroup
	for worker := range 40 {
		wg.Go(func() {
			for i := range 100 {
				n := worker*100 + i
				if _, err := s.Process(h.in(t.Context()), stage.New(nil, nil, stage.Carrying(n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for n := range seen {
		if seen[n].Load() != 1 {
			t.Fatalf("record %d was called %d times", n, seen[n].Load())
		}
	}
}

func TestABatchIsATypedStageThatReportsWrongArguments(t *testing.T) {
	t.Parallel()
	var c calls
	good := stage.Batch(3, time.Second, c.ok)
	in, out := stage.Types(stage.Named("save", good))
	if intType := reflect.TypeFor[int](); in != intType || out != intType || stage.Kind(good) != "batch" || stage.Check(good) != nil {
		t.Errorf("takes %v, gives %v, kind %q, %v", in, out, stage.Kind(good), stage.Check(good))
	}
	if _, err := good.Process(t.Context(), stage.New(nil, []byte("1"))); err == nil || !strings.Contains(err.Error(), "takes int") {
		t.Errorf("without a payload: %v", err)
	}
	for want, s := range map[string]stage.Stage{
		"size is 0":       stage.Batch(0, time.Second, c.ok),
		"wait is 0s":      stage.Batch(1, 0, c.ok),
		"BatchBytes is 0": stage.Batch(1, time.Second, c.ok, stage.BatchBytes(0)),
		"function is nil": stage.Batch[int](1, time.Second, nil),
	} {
		err := stage.Check(stage.Named("save", s))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't say %q", err, want)
		}
		if _, got := s.Process(t.Context(), stage.New(nil, nil, stage.Carrying(1))); got != err {
			t.Errorf("Process: %v", got)
		}
	}
	if stage.Check(stage.Decode(number)) != nil {
		t.Error("a stage without complaints has one")
	}
}

func ExampleBatch() {
	save := stage.Batch(3, time.Second, func(_ context.Context, names []string) []error {
		fmt.Println(len(names), "in one insert")
		errs := make([]error, len(names))
		errs[slices.Index(names, "b")] = errors.New("duplicate")
		return errs
	})
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		wg.Go(func() {
			if _, err := save.Process(context.Background(), stage.New(nil, nil, stage.Carrying(name))); err != nil {
				fmt.Println(name, err)
			}
		})
	}
	wg.Wait()
	// Output:
	// 3 in one insert
	// b duplicate
}
