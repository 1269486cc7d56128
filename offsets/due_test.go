package offsets_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// window admits n messages of the given size, with the offsets from 0 on.
func window(t *testing.T, limits offsets.Limits, n, size int) (*offsets.Tracker, []offsets.Ticket) {
	t.Helper()
	tracker := offsets.NewTracker(-1, limits)
	tickets := make([]offsets.Ticket, n)
	for i := range tickets {
		var err error
		if tickets[i], err = tracker.Admit(int64(i), size, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return tracker, tickets
}

func TestCommitIsDueOnceABatchOrAQuarterOfTheWindow(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		limits  offsets.Limits
		size    int
		resolve []int // in this order
		due     []int // the places in resolve at which due is said
	}{
		{"no limits", offsets.Limits{}, 10, []int{0, 1, 2, 3, 4, 5, 6, 7}, nil},
		{"batch", offsets.Limits{Batch: 3}, 10, []int{0, 1, 2, 3, 4, 5, 6}, []int{2}},
		{"batch of what settled behind a gap", offsets.Limits{Batch: 2}, 10, []int{5, 3, 1}, []int{1}},
		{"quarter of the messages", offsets.Limits{Messages: 8, Batch: 100}, 10, []int{0, 1, 2, 3}, []int{1}},
		{"quarter of the bytes", offsets.Limits{Bytes: 120}, 10, []int{0, 1, 2, 3}, []int{2}},
		{"bytes behind a gap free nothing", offsets.Limits{Bytes: 120}, 10, []int{1, 2, 3, 4, 5}, nil},
		{"the gap closes", offsets.Limits{Bytes: 120}, 10, []int{1, 2, 0}, []int{2}},
		{"a byte's limit", offsets.Limits{Bytes: 1}, 0, []int{0, 1}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tracker, tickets := window(t, tc.limits, 8, tc.size)
			var got []int
			for place, i := range tc.resolve {
				if _, due := tracker.Resolve(tickets[i]); due {
					got = append(got, place)
				}
			}
			if len(got) != len(tc.due) || (len(got) > 0 && got[0] != tc.due[0]) {
				t.Errorf("due at %v, want %v", got, tc.due)
			}
		})
	}
}

func TestDueIsSaidAgainAfterASnapshot(t *testing.T) {
	t.Parallel()
	tracker, tickets := window(t, offsets.Limits{Batch: 2}, 8, 1)
	for i, want := range []bool{false, true, false, false} {
		if _, due := tracker.Resolve(tickets[i]); due != want {
			t.Errorf("message %d: due %v, want %v", i, due, want)
		}
	}
	tracker.Snapshot(offsets.Ordered{}, time.Now())
	for i, want := range []bool{false, true, false, false} {
		if _, due := tracker.Fail(tickets[4+i], 1, time.Now()); due != want {
			t.Errorf("message %d after the snapshot: due %v, want %v", 4+i, due, want)
		}
	}
}

func TestAckAsksOnlyForWhatItDidNotCover(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		strategy offsets.CommitStrategy
		resolve  []int
		due      bool
	}{
		{"everything settled is covered", offsets.BestEffort{}, []int{7}, false},
		{"messages behind a skipped one", offsets.SkipFailures{}, []int{2, 3, 4, 5, 6, 7}, false},
		{"nothing settled behind it", offsets.SkipFailures{}, nil, false},
	} {
		tracker, tickets := window(t, offsets.Limits{Messages: 8}, 8, 1)
		tracker.Fail(tickets[0], 1, time.Now())
		for _, i := range tc.resolve {
			tracker.Resolve(tickets[i])
		}
		offset, ok := tracker.Snapshot(tc.strategy, time.Now())
		if due := tracker.Ack(offset); !ok || due != tc.due {
			t.Errorf("%s: Ack(%d) due = %v, want %v", tc.name, offset, due, tc.due)
		}
	}

	// What becomes contiguous by the acknowledgement itself, and is above it, does ask.
	tracker, tickets := window(t, offsets.Limits{Messages: 8}, 8, 1)
	tracker.Fail(tickets[0], 1, time.Now())
	for _, ticket := range tickets[1:6] {
		tracker.Resolve(ticket)
	}
	tracker.Snapshot(offsets.Ordered{}, time.Now())
	if !tracker.Ack(0) {
		t.Error("five resolved messages became contiguous, and no commit is due")
	}
}

// What an acknowledgement passed before it was contiguous asks for nothing, and what comes behind it
// asks as it always does.
func TestWhatWasCommittedPastCountsForNoQuarterOfTheWindow(t *testing.T) {
	t.Parallel()
	const size, quarter, passed = 10, 10, 7
	for name, limits := range map[string]offsets.Limits{"messages": {Messages: 4 * quarter}, "bytes": {Bytes: 4 * quarter * size}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracker, tickets := window(t, limits, passed+quarter, size)
			tracker.Resolve(tickets[passed-1])
			offset, _ := tracker.Snapshot(offsets.BestEffort{}, time.Now())
			if due := tracker.Ack(offset); due || offset != passed-1 {
				t.Fatalf("Ack(%d) due = %v", offset, due)
			}
			for i, ticket := range tickets[passed:] {
				if _, due := tracker.Resolve(ticket); due != (i == quarter-1) {
					t.Errorf("%d resolved behind what was passed, due %v, a quarter is %d", i+1, due, quarter)
				}
			}
		})
	}
}

func TestRefusedMessageNeverWaitsForTheCommitInterval(t *testing.T) {
	t.Parallel()
	// All is resolved, less than a quarter of the bytes: nobody else can say due.
	tracker, tickets := window(t, offsets.Limits{Bytes: 100}, 1, 20)
	if _, due := tracker.Resolve(tickets[0]); due {
		t.Error("a fifth of the window is due")
	}
	_, err := tracker.Admit(1, 90, time.Now())
	if !errors.Is(err, offsets.ErrDue) || !errors.Is(err, offsets.ErrFull) {
		t.Errorf("Admit = %v, want ErrDue, which is an ErrFull", err)
	}
	if _, err = tracker.Admit(1, 90, time.Now()); !errors.Is(err, offsets.ErrDue) {
		t.Errorf("Admit = %v, want ErrDue until there is a snapshot", err)
	}
	tracker.Snapshot(offsets.Ordered{}, time.Now())
	if _, err = tracker.Admit(1, 90, time.Now()); errors.Is(err, offsets.ErrDue) || !errors.Is(err, offsets.ErrFull) {
		t.Errorf("Admit = %v, want only ErrFull: the acknowledgement is to come", err)
	}

	// The refusal comes first, then the last pending message settles.
	tracker, tickets = window(t, offsets.Limits{Bytes: 100}, 2, 10)
	if _, err = tracker.Admit(2, 90, time.Now()); errors.Is(err, offsets.ErrDue) {
		t.Error("nothing settled, and a commit is due")
	}
	if _, due := tracker.Resolve(tickets[0]); due {
		t.Error("due while another message is pending")
	}
	if _, due := tracker.Fail(tickets[1], 1, time.Now()); !due {
		t.Error("nothing is pending any more, a message waits, and no commit is due")
	}
	offset, _ := tracker.Snapshot(offsets.SkipFailures{}, time.Now())
	tracker.Ack(offset)
	if _, err = tracker.Admit(2, 90, time.Now()); err != nil {
		t.Error(err)
	}
}

func TestASmallerMessageForgetsTheRefusalOfALargerOne(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tracker := offsets.NewTracker(-1, offsets.Limits{Bytes: 100, Batch: 100})
	first, err := tracker.Admit(0, 10, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tracker.Admit(1, 95, now); !errors.Is(err, offsets.ErrFull) {
		t.Fatalf("Admit = %v, want %v", err, offsets.ErrFull)
	}
	last, err := tracker.Admit(2, 5, now)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody waits for room any more, so settling everything is no reason for a commit.
	if _, due := tracker.Resolve(last); due {
		t.Error("due with one message pending")
	}
	if _, due := tracker.Resolve(first); due {
		t.Error("due though nobody waits for room")
	}
}

func TestEachEndOfAMessageCountsForTheBatch(t *testing.T) {
	t.Parallel()
	for _, retried := range []bool{false, true} {
		tracker, tickets := window(t, offsets.Limits{Batch: 2}, 3, 10)
		if _, due := tracker.Fail(tickets[1], 1, time.Now()); due {
			t.Error("due after one end")
		}
		if retried && !tracker.Retry(tickets[1], time.Now()) {
			t.Fatal("no retry")
		}
		if _, due := tracker.Resolve(tickets[1]); !due {
			t.Errorf("retried %t: not due after two ends", retried)
		}
	}
}

func TestABatchThatBecomesContiguousAtOnceIsDue(t *testing.T) {
	t.Parallel()
	const batch = 3
	tracker, tickets := window(t, offsets.Limits{Batch: batch}, 8, 10)
	for _, ticket := range tickets[1:batch] {
		tracker.Resolve(ticket)
	}
	if _, ok := tracker.Snapshot(offsets.Ordered{}, time.Now()); ok {
		t.Fatal("the first message is pending")
	}
	if _, due := tracker.Resolve(tickets[0]); !due {
		t.Error("a whole batch can be committed now, and a commit isn't due")
	}
}

func TestAnAcknowledgementOfNothingNewForgetsNoRefusal(t *testing.T) {
	t.Parallel()
	for _, repeated := range []int64{-7, -1} {
		tracker, tickets := window(t, offsets.Limits{Bytes: 100}, 2, 10)
		if _, err := tracker.Admit(2, 90, time.Now()); !errors.Is(err, offsets.ErrFull) {
			t.Fatalf("Admit = %v, want %v", err, offsets.ErrFull)
		}
		tracker.Ack(repeated)
		tracker.Resolve(tickets[0])
		if _, due := tracker.Resolve(tickets[1]); !due {
			t.Errorf("Ack(%d): nothing is pending, a message waits, and no commit is due", repeated)
		}
	}
}
