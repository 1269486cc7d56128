package offsets_test

import (
	"fmt"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// Five messages finish as 0, 2, 4, 1, 3.
func Example() {
	now := time.Now()
	tracker := offsets.NewTracker(-1, offsets.Limits{Messages: 100})
	var tickets []offsets.Ticket
	for offset := range int64(5) {
		ticket, err := tracker.Admit(offset, 10, now)
		if err != nil {
			fmt.Println(err)
			return
		}
		tickets = append(tickets, ticket)
	}
	for _, finished := range []int{0, 2, 4, 1, 3} {
		tracker.Resolve(tickets[finished])
		fmt.Printf("%d is done: committable %d\n", finished, tracker.Committable(offsets.Ordered{}, now))
	}
	if offset, ok := tracker.Snapshot(offsets.Ordered{}, now); ok {
		tracker.Ack(offset) // once the broker has it
	}
	fmt.Println("still in the window:", tracker.Usage().Messages)
	// Output:
	// 0 is done: committable 0
	// 2 is done: committable 0
	// 4 is done: committable 0
	// 1 is done: committable 2
	// 3 is done: committable 4
	// still in the window: 0
}

// Patience commits like [offsets.Ordered] until a message has held the commit for
// too long, then it gives that message up.
type Patience time.Duration

func (p Patience) Committable(v offsets.View) int64 {
	for u := range v.Unresolved() {
		if v.Now.Sub(u.Since) < time.Duration(p) {
			return u.Offset - 1
		}
	}
	return v.Delivered
}

// A strategy of one's own is a pure function of the view, tested by giving it views
// and by offsetstest.Exercise.
func ExampleCommitStrategy() {
	now := time.Now()
	view := offsets.NewView(9, 9, 20, now,
		offsets.Unresolved{Offset: 10, State: offsets.Pending, Since: now.Add(-2 * time.Hour)},
		offsets.Unresolved{Offset: 15, State: offsets.Pending, Since: now.Add(-time.Minute)},
	)
	fmt.Println(offsets.Ordered{}.Committable(view))
	fmt.Println(Patience(time.Hour).Committable(view))
	// Output:
	// 9
	// 14
}

func ExampleSkipFailures() {
	now := time.Now()
	view := offsets.NewView(9, 9, 20, now,
		offsets.Unresolved{Offset: 10, State: offsets.Failed, Attempts: 5, Since: now.Add(-time.Minute)},
	)
	fmt.Println(offsets.SkipFailures{After: time.Hour}.Committable(view))
	fmt.Println(offsets.SkipFailures{After: time.Second}.Committable(view))
	// Output:
	// 9
	// 20
}

func ExampleHasGaps() {
	processed := map[int64]bool{0: true, 2: true, 3: true}
	fmt.Println(offsets.HasGaps(processed, 0, 3))
	fmt.Println(offsets.HasGaps(processed, 2, 3))
	// Output:
	// true
	// false
}

func ExampleFindCommittableOffset() {
	processed := map[int64]bool{0: true, 1: true, 3: true}
	fmt.Println(offsets.FindCommittableOffset(processed, -1, 3))
	// Output: 1
}
