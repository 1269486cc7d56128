package pipeline

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vlab-research/burrow/offsets"
)

// The tasks of a claim are those of a map of tickets, in their order.
func TestTasksAreInTheOrderOfTheirTickets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tasks tasks
		model := map[offsets.Ticket]*task{}
		next := offsets.Ticket(rapid.Uint64Range(0, 1000).Draw(t, "first"))
		inOrder := func() []offsets.Ticket { return slices.Sorted(maps.Keys(model)) }
		push := func(ticket offsets.Ticket) {
			model[ticket] = &task{ticket: ticket}
			tasks.push(model[ticket])
		}
		t.Repeat(map[string]func(*rapid.T){
			"push the next, or one some later": func(t *rapid.T) {
				next += offsets.Ticket(rapid.SampledFrom([]int{0, 0, 0, 1, 100}).Draw(t, "skipped"))
				push(next)
				next++
			},
			"push an earlier one": func(t *rapid.T) {
				earlier := next - min(next, offsets.Ticket(rapid.Uint64Range(1, 200).Draw(t, "by")))
				if earlier != next && model[earlier] == nil {
					push(earlier)
				}
			},
			"remove": func(t *rapid.T) {
				if len(model) > 0 {
					ticket := rapid.SampledFrom(inOrder()).Draw(t, "which")
					tasks.remove(model[ticket])
					delete(model, ticket)
				}
			},
			"remove some of all": func(t *rapid.T) {
				for each := range tasks.all() {
					if rapid.Bool().Draw(t, "this one") {
						tasks.remove(each)
						delete(model, each.ticket)
					}
				}
			},
			"": func(t *rapid.T) {
				var got []offsets.Ticket
				for each := range tasks.all() {
					got = append(got, each.ticket)
				}
				if want := inOrder(); !slices.Equal(got, want) || tasks.n != len(want) {
					t.Fatalf("%d tasks: %v, want %v", tasks.n, got, want)
				}
				if oldest := tasks.oldest(); (oldest == nil) != (len(got) == 0) || oldest != nil && oldest.ticket != got[0] {
					t.Fatalf("the oldest is %v of %v", oldest, got)
				}
			},
		})
	})
}

// Nothing that left is kept: a message holds the whole fetch that it came in.
func TestTasksThatLeftAreForgotten(t *testing.T) {
	var tasks tasks
	for ticket := range offsets.Ticket(1000) {
		tasks.push(&task{ticket: ticket})
	}
	for each := range tasks.all() {
		tasks.remove(each)
	}
	if left := slices.IndexFunc(tasks.ring, func(t *task) bool { return t != nil }); left >= 0 {
		t.Errorf("place %d of %d holds a task", left, len(tasks.ring))
	}
}
