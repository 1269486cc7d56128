package offsets_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// filled returns a window of messages with these offsets, of 10 bytes each.
func filled(t testing.TB, limits offsets.Limits, admitted ...int64) (*offsets.Tracker, map[int64]offsets.Ticket) {
	t.Helper()
	tracker := offsets.NewTracker(admitted[0]-1, limits)
	tickets := make(map[int64]offsets.Ticket, len(admitted))
	for _, offset := range admitted {
		ticket, err := tracker.Admit(offset, 10, time.Now())
		if err != nil {
			t.Fatalf("Admit(%d): %v", offset, err)
		}
		tickets[offset] = ticket
	}
	return tracker, tickets
}

func TestCommittableNeverPassesAnUnresolvedMessage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name                       string
		admitted, finishing, after []int64
	}{
		{"the seed", []int64{0, 1, 2, 3, 4}, []int64{0, 2, 4, 1, 3}, []int64{0, 0, 0, 2, 4}},
		{"in order", []int64{0, 1, 2}, []int64{0, 1, 2}, []int64{0, 1, 2}},
		{"reverse", []int64{5, 6, 7}, []int64{7, 6, 5}, []int64{4, 4, 7}},
		{"holes", []int64{0, 3, 4, 9}, []int64{3, 0, 9, 4}, []int64{-1, 3, 3, 9}},
		{"hole at the start of the tenure", []int64{100, 200}, []int64{200, 100}, []int64{99, 200}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tracker, tickets := filled(t, offsets.Limits{}, tc.admitted...)
			for i, offset := range tc.finishing {
				if changed, _ := tracker.Resolve(tickets[offset]); !changed {
					t.Fatalf("resolving %d changed nothing", offset)
				}
				if got := tracker.Committable(offsets.Ordered{}, time.Now()); got != tc.after[i] {
					t.Errorf("after %v: committable %d, want %d", tc.finishing[:i+1], got, tc.after[i])
				}
			}
		})
	}
}

func TestOracleFindsTheContiguousOffset(t *testing.T) {
	t.Parallel()
	const low, high = -1 << 63, 1<<63 - 1
	for _, tc := range []struct {
		name            string
		processed       []int64
		committed, mark int64
		want            int64
		gaps            bool // between committed+1 and mark
	}{
		{"nothing processed", nil, -1, 4, -1, true},
		{"all", []int64{0, 1, 2}, -1, 2, 2, false},
		{"a gap", []int64{0, 2}, -1, 2, 0, true},
		{"a gap at the start", []int64{1, 2}, -1, 2, -1, true},
		{"up to the watermark only", []int64{0, 1, 2}, -1, 1, 1, false},
		{"empty range", nil, 4, 4, 4, false},
		{"watermark below", []int64{3}, 4, 2, 4, false},
		{"highest offset", []int64{high}, high - 1, high, high, false},
		{"lowest offset", nil, low, low + 1, low, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			processed := make(map[int64]bool)
			for _, offset := range tc.processed {
				processed[offset] = true
			}
			if got := offsets.FindCommittableOffset(processed, tc.committed, tc.mark); got != tc.want {
				t.Errorf("committable %d, want %d", got, tc.want)
			}
			if got := offsets.HasGaps(processed, tc.committed+1, tc.mark); got != tc.gaps {
				t.Errorf("gaps %v, want %v", got, tc.gaps)
			}
		})
	}
	if !offsets.HasGaps(nil, low, low) {
		t.Error("the lowest offset of all is missing, and no gap was seen")
	}
}

func TestAckMovesOnlyForwardAndNotPastDelivered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		acks      []int64
		committed int64
		messages  int
	}{
		{"nothing", nil, -1, 4},
		{"what was committable", []int64{1}, 1, 2},
		{"lower afterwards", []int64{1, 0, -7}, 1, 2},
		{"the same again", []int64{1, 1}, 1, 2},
		{"into a hole", []int64{5}, 5, 2},
		{"past pending messages, which stay", []int64{10}, 10, 2},
		{"beyond delivered", []int64{1000}, 11, 2},
		{"lower than the window", []int64{-5}, -1, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tracker, tickets := filled(t, offsets.Limits{}, 0, 1, 10, 11)
			tracker.Resolve(tickets[0])
			tracker.Resolve(tickets[1])
			for _, offset := range tc.acks {
				tracker.Ack(offset)
			}
			if u := tracker.Usage(); u.Committed != tc.committed || u.Messages != tc.messages || u.Bytes != int64(10*tc.messages) {
				t.Errorf("committed %d with %d messages, %d bytes in the window, want %d with %d",
					u.Committed, u.Messages, u.Bytes, tc.committed, tc.messages)
			}
		})
	}
}

func TestMessageThatWasCommittedPastLeavesWhenItSettles(t *testing.T) {
	t.Parallel()
	for _, fail := range []bool{false, true} {
		tracker, tickets := filled(t, offsets.Limits{Messages: 3}, 0, 1, 2)
		tracker.Resolve(tickets[2])
		if offset, ok := tracker.Snapshot(offsets.BestEffort{}, time.Now()); offset != 2 || !ok {
			t.Fatalf("snapshot %d, %v", offset, ok)
		}
		tracker.Ack(2)
		if u := tracker.Usage(); u.Messages != 3 || u.Pending != 2 || u.Uncommitted != 0 || u.Held {
			t.Fatalf("committed past two pending messages: %+v", u)
		}
		if _, err := tracker.Admit(3, 1, time.Now()); !errors.Is(err, offsets.ErrFull) {
			t.Fatalf("Admit = %v with both still pending", err)
		}
		if changed, due := tracker.Resolve(tickets[1]); !changed || due {
			t.Fatalf("resolving the second: changed %v, due %v", changed, due)
		}
		settle := func() (bool, bool) { return tracker.Resolve(tickets[0]) }
		if fail {
			settle = func() (bool, bool) { return tracker.Fail(tickets[0], 3, time.Now()) }
		}
		if changed, due := settle(); !changed || !due {
			t.Errorf("settling the first: changed %v, due %v, and a message waits for the room", changed, due)
		}
		if u := tracker.Usage(); u.Messages != 0 || u.Bytes != 0 || u.Pending != 0 || u.Failed != 0 {
			t.Errorf("not all left: %+v", u)
		}
		if _, err := tracker.Admit(3, 1, time.Now()); err != nil {
			t.Error(err)
		}
	}
}

func TestMessageSettlesOnce(t *testing.T) {
	t.Parallel()
	tracker, tickets := filled(t, offsets.Limits{}, 0, 1)
	now := time.Now()
	step := func(want bool, what string, got bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: changed %v, want %v", what, got, want)
		}
	}
	first := func(changed, _ bool) bool { return changed }
	step(false, "retry of a pending message", tracker.Retry(tickets[0], now))
	step(true, "fail", first(tracker.Fail(tickets[0], 2, now)))
	step(false, "fail again", first(tracker.Fail(tickets[0], 3, now)))
	if u := tracker.Usage(); u.Failed != 1 || u.Pending != 1 || u.Oldest.Attempts != 2 || u.Oldest.State != offsets.Failed {
		t.Errorf("after a failure: %+v", u)
	}
	step(true, "retry", tracker.Retry(tickets[0], now))
	if u := tracker.Usage(); u.Failed != 0 || u.Pending != 2 || u.Oldest.Attempts != 0 || u.Oldest.State != offsets.Pending {
		t.Errorf("after the retry: %+v", u)
	}
	step(true, "fail after the retry", first(tracker.Fail(tickets[0], 4, now)))
	step(true, "resolve the failed message", first(tracker.Resolve(tickets[0])))
	step(false, "resolve again", first(tracker.Resolve(tickets[0])))
	step(false, "fail the resolved message", first(tracker.Fail(tickets[0], 5, now)))
	step(false, "retry of the resolved message", tracker.Retry(tickets[0], now))
	tracker.Ack(0)
	step(false, "resolve after it left", first(tracker.Resolve(tickets[0])))
	step(false, "the ticket given next", first(tracker.Resolve(tickets[1]+1)))
	step(false, "a ticket never given", first(tracker.Resolve(99)))
}

func TestMessageThatWasCommittedPastIsNotRetried(t *testing.T) {
	t.Parallel()
	for _, acked := range []int64{1, 2} {
		tracker, tickets := filled(t, offsets.Limits{}, 0, 1, 2)
		tracker.Fail(tickets[1], 1, time.Now())
		tracker.Ack(acked) // the pending 0 keeps the window from letting 1 go
		if tracker.Retry(tickets[1], time.Now()) {
			t.Errorf("committed up to %d: retried, though a crash now would not deliver it again", acked)
		}
		if u := tracker.Usage(); u.Failed != 1 || u.Pending != 2 {
			t.Errorf("committed up to %d: %+v", acked, u)
		}
	}
}

func TestNothingChangesAfterClose(t *testing.T) {
	t.Parallel()
	tracker, tickets := filled(t, offsets.Limits{Batch: 1}, 0, 1, 2)
	now := time.Now()
	tracker.Resolve(tickets[0])
	tracker.Fail(tickets[1], 1, now)
	before := tracker.Usage()
	tracker.Close()
	tracker.Close()

	if _, err := tracker.Admit(3, 1, now); !errors.Is(err, offsets.ErrClosed) {
		t.Errorf("Admit: %v", err)
	}
	for name, call := range map[string]func() (bool, bool){
		"Resolve": func() (bool, bool) { return tracker.Resolve(tickets[2]) },
		"Fail":    func() (bool, bool) { return tracker.Fail(tickets[2], 1, now) },
		"Retry":   func() (bool, bool) { return tracker.Retry(tickets[1], now), false },
		"Ack":     func() (bool, bool) { return false, tracker.Ack(2) },
	} {
		if changed, due := call(); changed || due {
			t.Errorf("%s: changed %v, due %v", name, changed, due)
		}
	}
	if offset, ok := tracker.Snapshot(offsets.Ordered{}, now); offset != -1 || ok {
		t.Errorf("Snapshot: %d, %v", offset, ok)
	}
	if got := tracker.Committable(offsets.BestEffort{}, now); got != -1 {
		t.Errorf("Committable: %d", got)
	}
	if after := tracker.Usage(); after != before {
		t.Errorf("usage\n %+v, before\n %+v", after, before)
	}
}

func TestOffsetIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	tracker, _ := filled(t, offsets.Limits{}, 5, 8)
	for _, stale := range []int64{-1, 4, 5, 6, 8} {
		if _, err := tracker.Admit(stale, 1, time.Now()); !errors.Is(err, offsets.ErrStale) {
			t.Errorf("Admit(%d) = %v", stale, err)
		}
	}
	if u := tracker.Usage(); u.Messages != 2 || u.Delivered != 8 {
		t.Errorf("refused messages changed the window: %+v", u)
	}
}

func TestWindowIsBoundedInMessagesAndBytes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limits offsets.Limits
		sizes  []int
		fit    int
	}{
		{offsets.Limits{Messages: 3}, []int{1, 1, 1, 1}, 3},
		{offsets.Limits{Messages: 1}, []int{900, 1}, 1},
		{offsets.Limits{Bytes: 30}, []int{10, 20, 1}, 2},
		{offsets.Limits{Bytes: 30}, []int{10, 21}, 1},
		{offsets.Limits{Bytes: 30}, []int{10, 20, 0, 0, 1}, 4},
		{offsets.Limits{Bytes: 30}, []int{31, 0}, 1}, // one larger message gets in, alone
		{offsets.Limits{Bytes: 30}, []int{0, 31}, 1},
		{offsets.Limits{Messages: 2, Bytes: 30}, []int{1, 1, 1}, 2},
		{offsets.Limits{}, make([]int, 1000), 1000},
		{offsets.Limits{Messages: -1, Bytes: -1, Batch: -1}, make([]int, 1000), 1000},
	} {
		t.Run(fmt.Sprintf("%+v of %d", tc.limits, len(tc.sizes)), func(t *testing.T) {
			t.Parallel()
			tracker, fit := offsets.NewTracker(-1, tc.limits), 0
			for i, size := range tc.sizes {
				if _, err := tracker.Admit(int64(i), size, time.Now()); err == nil {
					fit++
				} else if !errors.Is(err, offsets.ErrFull) {
					t.Fatal(err)
				}
			}
			if fit != tc.fit {
				t.Errorf("%d messages fit, want %d", fit, tc.fit)
			}
		})
	}
}

// What went through a window before counts for nothing, whether the room is known or looked for.
func TestTheBoundStaysWhateverWentThroughTheWindow(t *testing.T) {
	t.Parallel()
	const fit, size = 3, 10
	now := time.Now()
	for name, limits := range map[string]offsets.Limits{"messages": {Messages: fit}, "bytes": {Bytes: fit * size}} {
		tracker := offsets.NewTracker(-1, limits)
		for next := range int64(100 * fit) {
			ticket, err := tracker.Admit(next, size, now)
			if err != nil {
				t.Fatal(err)
			}
			tracker.Resolve(ticket)
			if next%fit == fit-1 {
				if _, err := tracker.Admit(next+1, size, now); !errors.Is(err, offsets.ErrFull) {
					t.Fatalf("%s: message %d fits into a full window: %v", name, next+1, err)
				}
				tracker.Ack(next)
			}
		}
	}
}

func TestFillIsTheLargerShare(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limits            offsets.Limits
		n, size, resolved int
		want              float64
	}{
		{offsets.Limits{Messages: 8}, 0, 0, 0, 0},
		{offsets.Limits{Messages: 8}, 2, 1000, 0, 0.25},
		{offsets.Limits{Messages: 8}, 8, 0, 0, 1},
		{offsets.Limits{Messages: 8, Bytes: 100}, 2, 25, 0, 0.5},
		{offsets.Limits{Messages: 8, Bytes: 100}, 4, 10, 0, 0.5},
		{offsets.Limits{Messages: 8, Bytes: 100}, 1, 150, 0, 1.5}, // an oversize message, alone
		{offsets.Limits{Messages: 8, Bytes: 1000}, 6, 10, 4, 0.25},
		{offsets.Limits{Messages: 1000, Bytes: 100}, 3, 25, 2, 0.25},
	} {
		tracker, tickets := window(t, tc.limits, tc.n, tc.size)
		for _, ticket := range tickets[:tc.resolved] {
			tracker.Resolve(ticket)
		}
		tracker.Ack(int64(tc.resolved) - 1)
		if got := tracker.Fill(); got != tc.want {
			t.Errorf("%+v with %d messages of %d bytes, %d of them committed: %v, want %v", tc.limits, tc.n, tc.size, tc.resolved, got, tc.want)
		}
	}
}

func TestGrowingWindowKeepsItsOrder(t *testing.T) {
	t.Parallel()
	tracker := offsets.NewTracker(-1, offsets.Limits{})
	var open []offsets.Ticket
	for next := range int64(3000) {
		ticket, err := tracker.Admit(next*3, 1, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if open = append(open, ticket); next%3 != 0 {
			tracker.Resolve(open[0]) // the window grows while its head moves round the ring
			open = slices.Delete(open, 0, 1)
			tracker.Ack(tracker.Committable(offsets.Ordered{}, time.Now()))
		}
	}
	if u := tracker.Usage(); u.Messages != 1000 || u.Contiguous != 1999*3 || u.Oldest.Offset != 2000*3 {
		t.Errorf("%+v", u)
	}
}

// A ring grows with nothing committed yet, and with a message that left just before its first.
func TestGrowingWindowKeepsWhatItHolds(t *testing.T) {
	t.Parallel()
	const size, held = 10, 1000
	for _, gone := range []int64{0, 1, 10, 63} {
		tracker := offsets.NewTracker(-1, offsets.Limits{})
		for i := range gone {
			ticket, err := tracker.Admit(i, size, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			tracker.Resolve(ticket)
		}
		tracker.Ack(gone - 1)
		first := gone + 5 // behind a hole
		var tickets []offsets.Ticket
		for i := range int64(held) {
			ticket, err := tracker.Admit(first+i, size, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		}
		tracker.Ack(gone) // which lets none go
		if u := tracker.Usage(); u.Messages != held || u.Bytes != held*size || u.Oldest.Offset != first || u.Delivered != first+held-1 {
			t.Errorf("%d gone: %+v", gone, u)
		}
		for i, ticket := range tickets {
			tracker.Resolve(ticket)
			if got := tracker.Usage().Contiguous; got != first+int64(i) {
				t.Fatalf("%d gone: %d resolved, contiguous up to %d, want %d", gone, i+1, got, first+int64(i))
			}
		}
	}
}

// The ring grows with what the window holds, not with what went through it.
//
//nolint:paralleltest // it measures what is allocated meanwhile
func TestAWindowThatMovesDoesNotGrow(t *testing.T) {
	const messages, most = 100_000, 200 << 10 // bytes; a ring of that many messages takes 4 MB
	tracker := offsets.NewTracker(-1, offsets.Limits{Messages: 100})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	now := time.Now()
	for i := range int64(messages) {
		now = now.Add(time.Millisecond)
		ticket, err := tracker.Admit(i, 1, now)
		if err != nil {
			t.Fatal(err)
		}
		tracker.Resolve(ticket)
		tracker.Ack(i)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("%d messages through a window of 100 took %d bytes", messages, took)
	}
}

// Who admits must not wait for a strategy that thinks, for which the window is locked, whatever
// went through the window before.
func TestAMessageForWhichThereWasRoomIsAdmittedWithoutTheLock(t *testing.T) {
	t.Parallel()
	const room, size = 10, 10
	now := time.Now()
	tracker := offsets.NewTracker(-1, offsets.Limits{Messages: room, Bytes: room * size})
	const gone = 3 * room
	for i := range int64(gone) {
		ticket, err := tracker.Admit(i, size, now)
		if err != nil {
			t.Fatal(err)
		}
		tracker.Resolve(ticket)
		tracker.Ack(i)
	}
	if _, err := tracker.Admit(gone, size, now.Add(1)); err != nil { // it looks at the room again
		t.Fatal(err)
	}
	tracker.Committable(watcher(func(offsets.View) {
		admitted := make(chan error, room)
		go func() {
			for i := range int64(room - 1) {
				_, err := tracker.Admit(gone+1+i, size, now.Add(1))
				admitted <- err
			}
		}()
		for range room - 1 {
			select {
			case err := <-admitted:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("waits for the lock")
				return
			}
		}
	}), now)
}
