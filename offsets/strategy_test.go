package offsets_test

import (
	"slices"
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

func TestStrategies(t *testing.T) {
	t.Parallel()
	now := time.Now()
	pending := func(offset int64) offsets.Unresolved {
		return offsets.Unresolved{Offset: offset, State: offsets.Pending, Since: now.Add(-time.Hour)}
	}
	failed := func(offset int64, ago time.Duration) offsets.Unresolved {
		return offsets.Unresolved{Offset: offset, State: offsets.Failed, Attempts: 3, Since: now.Add(-ago)}
	}
	minute := offsets.SkipFailures{After: time.Minute}
	for _, tc := range []struct {
		name     string
		strategy offsets.CommitStrategy
		open     []offsets.Unresolved
		want     int64 // of 10 delivered, 2 committed, 4 contiguous, 8 the highest resolved
	}{
		{"ordered", offsets.Ordered{}, []offsets.Unresolved{pending(5)}, 4},
		{"best effort", offsets.BestEffort{}, []offsets.Unresolved{pending(5)}, 8},
		{"skip: a pending message holds", minute, []offsets.Unresolved{pending(5)}, 4},
		{"skip: a fresh failure holds", minute, []offsets.Unresolved{failed(5, time.Second)}, 4},
		{"skip: an old failure doesn't", minute, []offsets.Unresolved{failed(5, time.Hour)}, 10},
		{"skip: exactly at the time", minute, []offsets.Unresolved{failed(5, time.Minute)}, 10},
		{"skip: at once", offsets.SkipFailures{}, []offsets.Unresolved{failed(5, 0), failed(6, 0)}, 10},
		{"skip: up to the next pending", minute, []offsets.Unresolved{failed(5, time.Hour), pending(9)}, 8},
		{"skip: up to the next fresh failure", minute, []offsets.Unresolved{failed(5, time.Hour), failed(7, 0)}, 6},
		{"skip: a pending message before", minute, []offsets.Unresolved{pending(5), failed(7, time.Hour)}, 4},
	} {
		v := offsets.NewView(2, 4, 10, now, tc.open...)
		v.Resolved = 8
		if got := tc.strategy.Committable(v); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

type fixed int64

func (f fixed) Committable(offsets.View) int64 { return int64(f) }

func TestAnswerOfAStrategyIsClamped(t *testing.T) {
	t.Parallel()
	tracker, _ := filled(t, offsets.Limits{}, 0, 1, 2, 3)
	tracker.Ack(1)
	for _, tc := range []struct{ answer, want int64 }{{-1 << 63, 1}, {0, 1}, {1, 1}, {2, 2}, {3, 3}, {4, 3}, {1<<63 - 1, 3}} {
		offset, ok := tracker.Snapshot(fixed(tc.answer), time.Now())
		if offset != tc.want || ok != (tc.want > 1) {
			t.Errorf("answer %d: snapshot %d, %v, want %d", tc.answer, offset, ok, tc.want)
		}
		if got := tracker.Committable(fixed(tc.answer), time.Now()); got != tc.want {
			t.Errorf("answer %d: committable %d, want %d", tc.answer, got, tc.want)
		}
	}
}

func TestViewListsWhatIsUnresolvedOldestFirst(t *testing.T) {
	t.Parallel()
	tracker, tickets := filled(t, offsets.Limits{}, 0, 2, 4, 6, 8)
	failedAt := time.Now().Add(time.Minute)
	tracker.Resolve(tickets[2])
	tracker.Resolve(tickets[6])
	tracker.Fail(tickets[4], 7, failedAt)
	tracker.Committable(watcher(func(v offsets.View) {
		var got []int64
		for u := range v.Unresolved() {
			got = append(got, u.Offset)
			if u.Offset == 4 && (u.State != offsets.Failed || u.Attempts != 7 || !u.Since.Equal(failedAt)) {
				t.Errorf("the failed message: %+v", u)
			}
		}
		if !slices.Equal(got, []int64{0, 4, 8}) || v.Resolved != 6 || v.Contiguous != -1 || v.Delivered != 8 {
			t.Errorf("unresolved %v in %+v", got, v)
		}
		for range v.Unresolved() {
			break // an early end is no trouble
		}
	}), time.Now())
	tracker.Ack(4)
	tracker.Committable(watcher(func(v offsets.View) {
		if got := slices.Collect(v.Unresolved()); len(got) != 1 || got[0].Offset != 8 {
			t.Errorf("after a commit past two of them: %v", got)
		}
	}), time.Now())
}

func TestStatesHaveNames(t *testing.T) {
	t.Parallel()
	for state, want := range map[offsets.State]string{
		offsets.Pending: "pending", offsets.Failed: "failed", offsets.Resolved: "resolved", 77: "unknown",
	} {
		if got := state.String(); got != want {
			t.Errorf("%d is %q, want %q", state, got, want)
		}
	}
}
