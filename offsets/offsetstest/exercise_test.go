package offsetstest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

func TestStrategiesKeepTheirPromises(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		strategy offsets.CommitStrategy
		promises []Promise
	}{
		{offsets.Ordered{}, []Promise{NeverPassesPending, NeverPassesUnresolved}},
		{offsets.SkipFailures{}, []Promise{NeverPassesPending}},
		{offsets.SkipFailures{After: 3 * time.Minute}, []Promise{NeverPassesPending}},
		{offsets.BestEffort{}, nil},
	} {
		t.Run(fmt.Sprintf("%T%v", tc.strategy, tc.strategy), func(t *testing.T) {
			t.Parallel()
			Exercise(t, tc.strategy, tc.promises...)
		})
	}
}

// recorder is a reporter that remembers.
type recorder struct {
	mu     sync.Mutex
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// exercise returns the names of the rules that a strategy breaks.
func exercise(strategy offsets.CommitStrategy, promises ...Promise) (broken []string) {
	for _, r := range rules(promises) {
		var seen recorder
		if r.check(&seen, strategy); len(seen.errors) > 0 {
			broken = append(broken, r.name)
		}
	}
	return broken
}

type strategyFunc func(v offsets.View) int64

func (f strategyFunc) Committable(v offsets.View) int64 { return f(v) }

func TestBrokenStrategiesAreCaught(t *testing.T) {
	t.Parallel()
	var calls, remembered atomic.Int64
	slow := func(v offsets.View) int64 {
		if v.Delivered-v.Committed > 5000 {
			time.Sleep(2 * Slowest) //nolint:forbidigo // the slowness itself is what must be noticed
		}
		return v.Committed
	}
	both := []Promise{NeverPassesPending, NeverPassesUnresolved}
	for _, tc := range []struct {
		name     string
		strategy strategyFunc
		promises []Promise
		want     []string
	}{
		{"counts its calls", func(v offsets.View) int64 { return v.Committed + calls.Add(1)%5 }, nil,
			[]string{"pure", "concurrent", "leaves the window alone"}},
		{"remembers the highest answer", func(v offsets.View) int64 {
			remembered.Store(max(remembered.Load(), v.Contiguous))
			return remembered.Load()
		}, nil, []string{"pure"}},
		{"panics", func(offsets.View) int64 { panic("no") }, nil,
			[]string{"pure", "concurrent", "quick", "leaves the window alone"}},
		{"is slow", slow, nil, []string{"quick"}},
		{"passes everything", func(v offsets.View) int64 { return v.Delivered }, both,
			[]string{"never passes a pending message", "never passes an unresolved message"}},
		{"passes one too many", func(v offsets.View) int64 { return v.Contiguous + 1 }, both,
			[]string{"never passes a pending message", "never passes an unresolved message"}},
		{"best effort promises too much", offsets.BestEffort{}.Committable, both,
			[]string{"never passes a pending message", "never passes an unresolved message"}},
		{"skip promises too much", offsets.SkipFailures{}.Committable, both, []string{"never passes an unresolved message"}},
		{"an unknown promise", offsets.Ordered{}.Committable, []Promise{77}, []string{"promise"}},
		{"only wild, which is clamped", func(offsets.View) int64 { return -1 << 63 }, both, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := exercise(tc.strategy, tc.promises...)
			for _, want := range tc.want {
				if !slices.Contains(got, want) {
					t.Errorf("%q was not seen, only %v", want, strings.Join(got, ", "))
				}
			}
			if len(tc.want) == 0 && len(got) > 0 {
				t.Errorf("blamed for %v", got)
			}
		})
	}
}

// The samples would show little if they held few failures, gaps or commits.
func TestSamplesAreVaried(t *testing.T) {
	t.Parallel()
	var gaps, failed, committed, passed, settled int
	for _, v := range sampleViews() {
		open := slices.Collect(v.Unresolved())
		if v.Resolved > v.Contiguous {
			gaps++
		}
		if slices.ContainsFunc(open, func(u offsets.Unresolved) bool { return u.State == offsets.Failed }) {
			failed++
		}
		if v.Contiguous == v.Delivered {
			settled++
		}
		if v.Committed >= 0 {
			committed++
		}
		if v.Contiguous > v.Committed {
			passed++
		}
	}
	for name, n := range map[string]int{"gaps": gaps, "failed": failed, "settled": settled, "committed": committed, "committable": passed} {
		if n < 100 {
			t.Errorf("%s: only %d", name, n)
		}
	}
}
