package offsets_test

import (
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// add admits one more message, which there must be room for.
func add(t *testing.T, tracker *offsets.Tracker, offset int64) offsets.Ticket {
	t.Helper()
	ticket, err := tracker.Admit(offset, 10, time.Now())
	if err != nil {
		t.Fatalf("Admit(%d): %v", offset, err)
	}
	return ticket
}

// What became of a message is not taken for that of the message that has its place in the ring next.
func TestAMessageIsPendingWhateverHadItsPlace(t *testing.T) {
	t.Parallel()
	for batch := range int64(40) {
		tracker, next := offsets.NewTracker(-1, offsets.Limits{}), int64(0)
		for range 40 { // several times round the ring
			first, tickets := next, []offsets.Ticket{}
			for range batch + 1 {
				tickets = append(tickets, add(t, tracker, next))
				next++
			}
			if u := tracker.Usage(); u.Oldest.Offset != first || u.Oldest.State != offsets.Pending || u.Oldest.Attempts != 0 {
				t.Fatalf("batches of %d: %d was admitted, oldest is %+v", batch+1, first, u.Oldest)
			}
			for i := len(tickets) - 1; i >= 0; i-- {
				if got := tracker.Usage().Contiguous; got != first-1 {
					t.Fatalf("batches of %d: contiguous up to %d, and %d is not resolved", batch+1, got, first)
				}
				if i%2 == 0 {
					tracker.Fail(tickets[i], 3, time.Now())
				}
				if changed, _ := tracker.Resolve(tickets[i]); !changed {
					t.Fatalf("batches of %d: resolving %d changed nothing", batch+1, first+int64(i))
				}
			}
			tracker.Ack(next - 1)
		}
	}
}

func TestGrowingWindowKeepsWhatBecameOfItsMessages(t *testing.T) {
	t.Parallel()
	const held, attempts = 1000, 7
	tracker := offsets.NewTracker(-1, offsets.Limits{})
	tracker.Resolve(add(t, tracker, 0)) // leaves, so that tickets and places differ
	tracker.Ack(0)
	var tickets []offsets.Ticket
	for i := range int64(held) {
		ticket := add(t, tracker, i+1)
		switch i % 3 {
		case 1:
			tracker.Resolve(ticket)
		case 2:
			tracker.Fail(ticket, attempts, time.Now())
		}
		tickets = append(tickets, ticket)
	}
	next := int64(0)
	tracker.Committable(watcher(func(v offsets.View) {
		for u := range v.Unresolved() {
			if next%3 == 1 {
				next++
			}
			want := offsets.Unresolved{Offset: next + 1, State: offsets.Pending, Since: u.Since}
			if next%3 == 2 {
				want.State, want.Attempts = offsets.Failed, attempts
			}
			if u != want {
				t.Errorf("unresolved is %+v, want %+v", u, want)
			}
			next++
		}
	}), time.Now())
	if next != held {
		t.Errorf("the last unresolved message is %d, want %d", next, held)
	}
	for i, ticket := range tickets {
		if changed, _ := tracker.Resolve(ticket); changed == (i%3 == 1) {
			t.Errorf("message %d: resolving it changed something: %v", i+1, changed)
		}
	}
}

// When all that followed failed and was committed past, the last resolved message's place is another's.
func TestHighestResolvedIsNotWhatTookItsPlace(t *testing.T) {
	t.Parallel()
	tracker := offsets.NewTracker(-1, offsets.Limits{})
	tracker.Resolve(add(t, tracker, 0))
	for next := int64(1); next < 300; next++ {
		ticket := add(t, tracker, next)
		if got := tracker.Usage().Resolved; got != next-1 {
			t.Fatalf("committed up to %d and nothing resolved since, highest resolved is %d", next-1, got)
		}
		tracker.Fail(ticket, 1, time.Now())
		tracker.Ack(next)
	}
}
