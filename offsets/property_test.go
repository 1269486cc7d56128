package offsets_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vlab-research/burrow/offsets"
)

// twin is a tracker beside the model that it must agree with.
type twin struct {
	tracker  *offsets.Tracker
	model    *model
	tickets  []offsets.Ticket
	strategy offsets.CommitStrategy
	snapped  []int64 // offsets that a late acknowledgement may still bring
	now      time.Time
	last     offsets.Usage
}

func newTwin(committed int64, limits offsets.Limits, strategy offsets.CommitStrategy) *twin {
	w := &twin{
		tracker: offsets.NewTracker(committed, limits), model: newModel(committed, limits),
		strategy: strategy, now: time.Now(),
	}
	w.last = w.tracker.Usage()
	return w
}

// fataler is what both testing.T and rapid.T can do. Its Helper would take a fifth
// of the small-scope test's time.
type fataler interface {
	Fatalf(format string, args ...any)
}

func (w *twin) admit(t fataler, offset int64, size int) {
	ticket, err := w.tracker.Admit(offset, size, w.now)
	if want := w.model.admit(offset, size, w.now); !errors.Is(err, want) || !errors.Is(want, err) {
		t.Fatalf("Admit(%d, %d) = %v, want %v", offset, size, err, want)
	}
	if err == nil {
		w.tickets = append(w.tickets, ticket)
	}
}

func (w *twin) settle(t fataler, i int, to offsets.State, attempts int) {
	wantChanged, wantDue := w.model.settle(i, to, attempts, w.now)
	var changed, due bool
	if to == offsets.Failed {
		changed, due = w.tracker.Fail(w.tickets[i], attempts, w.now)
	} else {
		changed, due = w.tracker.Resolve(w.tickets[i])
	}
	if changed != wantChanged || due != wantDue {
		t.Fatalf("message %d to %v: changed %v, due %v, want %v, %v", i, to, changed, due, wantChanged, wantDue)
	}
}

func (w *twin) admitAll(t fataler, entries []offsets.Entry) {
	var wantN int
	var wantErr error
	for _, e := range entries {
		if wantErr = w.model.admit(e.Offset, e.Size, w.now); wantErr != nil {
			break
		}
		wantN++
	}
	first, n, err := w.tracker.AdmitAll(entries, w.now)
	if n != wantN || !errors.Is(err, wantErr) || !errors.Is(wantErr, err) {
		t.Fatalf("AdmitAll(%v) = %d, %v, want %d, %v", entries, n, err, wantN, wantErr)
	}
	for i := range n {
		w.tickets = append(w.tickets, first+offsets.Ticket(i))
	}
}

func (w *twin) resolveAll(t fataler, i, n int) {
	var wantChanged int
	var wantDue bool
	for at := i; at < i+n; at++ {
		changed, due := w.model.settle(at, offsets.Resolved, 0, w.now)
		if wantDue = wantDue || due; changed {
			wantChanged++
		}
	}
	changed, due := w.tracker.ResolveAll(w.tickets[i], n)
	if changed != wantChanged || due != wantDue {
		t.Fatalf("messages %d to %d resolved: changed %d, due %v, want %d, %v", i, i+n-1, changed, due, wantChanged, wantDue)
	}
}

func (w *twin) retry(t fataler, i int) {
	want := w.model.retry(i, w.now)
	if got := w.tracker.Retry(w.tickets[i], w.now); got != want {
		t.Fatalf("Retry of message %d = %v, want %v", i, got, want)
	}
}

func (w *twin) snapshot(t fataler) (int64, bool) {
	wantOffset, wantOK := w.model.snapshot(w.strategy, w.now)
	offset, ok := w.tracker.Snapshot(w.strategy, w.now)
	if offset != wantOffset || ok != wantOK {
		t.Fatalf("Snapshot = %d, %v, want %d, %v", offset, ok, wantOffset, wantOK)
	}
	if ok {
		w.snapped = append(w.snapped, offset)
	}
	return offset, ok
}

func (w *twin) ack(t fataler, offset int64) {
	want := w.model.ack(offset)
	if due := w.tracker.Ack(offset); due != want {
		t.Fatalf("Ack(%d) due = %v, want %v", offset, due, want)
	}
}

func (w *twin) close() {
	w.tracker.Close()
	w.model.closed = true
}

// check compares everything that can be seen with the model, and the promises
// that hold whatever the model says.
func (w *twin) check(t fataler) {
	got, want := w.tracker.Usage(), w.model.usage()
	if got.Oldest.Since.Sub(want.Oldest.Since) == 0 {
		got.Oldest.Since = want.Oldest.Since // the same instant, perhaps said in other words
	}
	if got != want {
		t.Fatalf("usage\n %+v, want\n %+v", got, want)
	}
	if got.Committed < w.last.Committed || got.Contiguous < w.last.Contiguous || got.Delivered < w.last.Delivered {
		t.Fatalf("went back: from %+v to %+v", w.last, got)
	}
	w.last = got
	w.checkStrategy(t)
	w.checkOrdered(t)
}

func (w *twin) checkStrategy(t fataler) {
	committable := w.tracker.Committable(w.strategy, w.now)
	if want := w.model.committable(w.strategy, w.now); committable != want {
		t.Fatalf("Committable = %d, want %d", committable, want)
	}
	if w.model.closed {
		return
	}
	w.tracker.Committable(watcher(func(v offsets.View) {
		if open := w.model.unresolved(); !slices.EqualFunc(slices.Collect(v.Unresolved()), open, sameUnresolved) {
			t.Fatalf("unresolved %v, want %v", slices.Collect(v.Unresolved()), open)
		}
	}), w.now)
}

// checkOrdered holds the first promise: no commit of Ordered passes an unresolved
// message that was not committed before, and nothing is held back without one.
func (w *twin) checkOrdered(t fataler) {
	if w.model.closed {
		return
	}
	committable, open := w.tracker.Committable(offsets.Ordered{}, w.now), w.model.unresolved()
	if len(open) > 0 && committable >= open[0].Offset {
		t.Fatalf("committable %d passes the unresolved message %d", committable, open[0].Offset)
	}
	if len(open) == 0 && committable != w.model.delivered() {
		t.Fatalf("committable %d with everything up to %d settled", committable, w.model.delivered())
	}
}

func sameUnresolved(a, b offsets.Unresolved) bool {
	return a.Offset == b.Offset && a.State == b.State && a.Attempts == b.Attempts && a.Since.Equal(b.Since)
}

// watcher is a strategy that only looks.
type watcher func(v offsets.View)

func (w watcher) Committable(v offsets.View) int64 { w(v); return v.Committed }

func drawStrategy(t *rapid.T) offsets.CommitStrategy {
	return rapid.SampledFrom([]offsets.CommitStrategy{
		offsets.Ordered{}, offsets.BestEffort{}, offsets.SkipFailures{}, offsets.SkipFailures{After: 3 * time.Second},
	}).Draw(t, "strategy")
}

func drawLimits(t *rapid.T) offsets.Limits {
	return offsets.Limits{
		Messages: rapid.SampledFrom([]int{0, 1, 2, 5, 12, 100}).Draw(t, "messages"),
		Bytes:    rapid.SampledFrom([]int64{0, 1, 10, 60, 1000}).Draw(t, "bytes"),
		Batch:    rapid.SampledFrom([]int{0, 1, 3, 10}).Draw(t, "batch"),
	}
}

func TestAnyOrderOfCallsAgreesWithTheOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.SampledFrom([]int64{-1, 0, 41}).Draw(t, "start")
		w := newTwin(start, drawLimits(t), drawStrategy(t))
		step := func(f func(t *rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second)
				f(t)
			}
		}
		one := func(t *rapid.T) int {
			if len(w.tickets) == 0 {
				t.Skip("nothing was admitted")
			}
			newest := len(w.tickets) - 1
			return rapid.IntRange(max(newest-20, 0), newest).Draw(t, "message")
		}
		draw := func(t *rapid.T, last int64) offsets.Entry {
			gap := rapid.SampledFrom([]int64{1, 1, 1, 2, 7, 0}).Draw(t, "step")
			return offsets.Entry{Offset: last + gap, Size: rapid.SampledFrom([]int{0, 1, 5, 20, 70, -3}).Draw(t, "size")}
		}
		admit := step(func(t *rapid.T) {
			e := draw(t, w.model.delivered())
			w.admit(t, e.Offset, e.Size)
		})
		resolve := step(func(t *rapid.T) { w.settle(t, one(t), offsets.Resolved, 0) })
		commit := step(func(t *rapid.T) {
			if offset, ok := w.snapshot(t); ok {
				w.ack(t, offset)
			}
		})
		t.Repeat(map[string]func(*rapid.T){
			"":       func(t *rapid.T) { w.check(t) },
			"admit":  admit,
			"admit2": admit,
			"admit3": admit,
			"admitAll": step(func(t *rapid.T) {
				entries := []offsets.Entry{draw(t, w.model.delivered())}
				for range rapid.IntRange(0, 9).Draw(t, "more") {
					entries = append(entries, draw(t, entries[len(entries)-1].Offset))
				}
				w.admitAll(t, entries)
			}),
			"resolveAll": step(func(t *rapid.T) {
				i := one(t)
				w.resolveAll(t, i, rapid.IntRange(1, len(w.tickets)-i).Draw(t, "messages"))
			}),
			"resolve":  resolve,
			"resolve2": resolve,
			"fail":     step(func(t *rapid.T) { w.settle(t, one(t), offsets.Failed, rapid.IntRange(0, 9).Draw(t, "attempts")) }),
			"retry":    step(func(t *rapid.T) { w.retry(t, one(t)) }),
			"commit":   commit,
			"snapshot": step(func(t *rapid.T) { w.snapshot(t) }),
			"lateAck": step(func(t *rapid.T) {
				if len(w.snapped) == 0 {
					t.Skip("nothing to acknowledge")
				}
				w.ack(t, rapid.SampledFrom(w.snapped).Draw(t, "acknowledged"))
			}),
			"anyAck": step(func(t *rapid.T) {
				w.ack(t, w.model.committed+rapid.Int64Range(-3, 9).Draw(t, "beyond"))
			}),
			"close": step(func(t *rapid.T) {
				if rapid.IntRange(0, 30).Draw(t, "odds") == 0 {
					w.close()
				}
			}),
		})
	})
}

// Whatever the limits and sizes: as long as messages resolve, and each due is
// followed by a commit, no message waits for the commit interval.
func TestDueCommitsAreEnoughToAdmitEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits, strategy := drawLimits(t), drawStrategy(t)
		tracker := offsets.NewTracker(-1, limits)
		var open []offsets.Ticket
		commit := func(due bool) {
			for due {
				offset, ok := tracker.Snapshot(strategy, time.Now())
				due = ok && tracker.Ack(offset)
			}
		}
		for next := int64(0); next < 60; {
			ticket, err := tracker.Admit(next, rapid.SampledFrom([]int{0, 1, 5, 20, 70, 2000}).Draw(t, "size"), time.Now())
			switch {
			case err == nil:
				open = append(open, ticket)
				next++
			case errors.Is(err, offsets.ErrDue):
				commit(true)
			case len(open) == 0:
				t.Fatalf("message %d waits, nothing is open and no commit is due: %+v", next, tracker.Usage())
			}
			if n := len(open); n > 0 && (err != nil || rapid.Bool().Draw(t, "resolve")) {
				i := rapid.IntRange(0, n-1).Draw(t, "which")
				_, due := tracker.Resolve(open[i])
				commit(due)
				open = slices.Delete(open, i, i+1)
			}
		}
	})
}

func TestOddSizesAndAttemptsDoNotLeak(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, -1, math.MinInt, 1 << 32, math.MaxInt} {
		tracker := offsets.NewTracker(-1, offsets.Limits{Bytes: 100})
		ticket, err := tracker.Admit(0, size, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		tracker.Fail(ticket, size, time.Now())
		if got, want := tracker.Usage().Oldest.Attempts, min(max(size, 0), math.MaxUint16); got != want {
			t.Errorf("attempts %d shown as %d, want %d", size, got, want)
		}
		tracker.Resolve(ticket)
		tracker.Ack(0)
		if u := tracker.Usage(); u.Bytes != 0 || u.Messages != 0 {
			t.Errorf("size %d: an empty window holds %d messages, %d bytes", size, u.Messages, u.Bytes)
		}
	}
}
